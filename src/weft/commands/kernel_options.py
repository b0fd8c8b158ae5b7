"""Which kernels a command runs on, and on how many threads."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Annotated

import typer

from weft.backends.fusing import fused, why_not_fused
from weft.commands.option_types import whole_number
from weft.errors import InputError, nearest
from weft.language_model import LanguageModel

KINDS = ("auto", "fused", "plain")

KernelsOption = Annotated[
    str, typer.Option(metavar="|".join(KINDS), help="What computes; auto is what the run was trained with.")
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        parser=whole_number, metavar="N", help="Threads of the fused kernels.  [default: all cores]", show_default=False
    ),
]


def kernels_of(lm: LanguageModel, kernels: str, threads: int | None) -> AbstractContextManager[None]:
    """The context in which `lm` runs as asked; raises InputError where that cannot be."""
    if kernels not in KINDS:
        raise InputError(f"--kernels must be one of {', '.join(KINDS)}, got {kernels!r}{nearest(kernels, KINDS)}")
    if kernels == "auto":
        kernels = "fused" if lm.config.training.kernels == "fused" and why_not_fused() is None else "plain"
    elif kernels == "plain" and threads is not None:
        raise InputError("--threads is for the fused kernels; leave it out with --kernels plain")
    return fused(threads) if kernels == "fused" else nullcontext()

"""Which kernels a command runs on, and on how many threads."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import chain
from typing import Annotated

import typer

from weft.backends.fused import PRECISIONS, fused, saying_when_compiling, why_not_fused
from weft.commands.options.types import one_of, whole_number
from weft.errors import InputError, WeftError
from weft.language_model import LanguageModel

KINDS = ("auto", "fused", "plain")

WORTH_LOADING = 20_000_000_000
"""Multiply-adds from which on loading the fused kernels takes less time than it saves."""

MOST_HELD = 10_000
"""Lines that are read ahead at most to see whether there is so much to do; of more there are probably many."""

KernelsOption = Annotated[
    str, typer.Option(metavar="|".join(KINDS), help="What computes; auto is what the run was trained with.")
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        parser=whole_number, metavar="N", help="Threads of the fused kernels.  [default: all cores]", show_default=False
    ),
]
PrecisionOption = Annotated[
    str,
    typer.Option(
        metavar="|".join(PRECISIONS),
        help="Factors of the matrix products on the fused kernels; bfloat16 is faster and changes the third digit.",
    ),
]


def kernels_of(
    lm: LanguageModel, kernels: str, threads: int | None, precision: str = "float32"
) -> AbstractContextManager[None]:
    """The context in which `lm` runs as asked; raises InputError where that cannot be."""
    one_of("--precision", precision, PRECISIONS)
    if one_of("--kernels", kernels, KINDS) == "auto":
        trained_so = lm.config.training.kernels == "fused" and why_not_fused() is None
        kernels = "fused" if trained_so or precision != "float32" else "plain"
    if kernels == "plain" and (threads is not None or precision != "float32"):
        raise InputError(
            "--threads and --precision are for the fused kernels, and the plain ones are used: leave them out, or give "
            "--kernels fused"
        )
    return _fused_and_saying_so(threads, precision) if kernels == "fused" else nullcontext()


@contextmanager
def _fused_and_saying_so(threads: int | None, precision: str) -> Iterator[None]:
    # Not bound to the stream as it is now: a bar on it may put another one in its place meanwhile.
    with fused(threads, precision), saying_when_compiling(lambda line: print(line, file=sys.stderr, flush=True)):
        yield


def kernels_for_lines(
    lm: LanguageModel, lines: Iterator[str | None], batch_size: int | None, kernels: str, threads: int | None
) -> tuple[AbstractContextManager[None], Iterator[str | None]]:
    """As `kernels_of`, and the lines to be scored; with auto, the fused kernels only for a text that is worth it.

    To see that, lines are taken from the source until there are enough of them; none are with a batch size of 1, where
    each line is to be answered before the next is taken.
    """
    if kernels == "auto" and threads is None:
        if batch_size == 1 or lm.config.training.kernels == "plain":
            return nullcontext(), lines
        enough, lines = _enough(lm, lines)
        if not enough:
            return nullcontext(), lines
    return kernels_of(lm, kernels, threads), lines


def _enough(lm: LanguageModel, lines: Iterator[str | None]) -> tuple[bool, Iterator[str | None]]:
    """Whether the lines are worth loading the kernels for, and the same lines again."""
    work_of_token = sum(parameter.size for parameter in lm.model.params)
    if not lm.model.tied:
        work_of_token -= lm.model.embedding.params[0].size
    taken: list[str | None] = []
    work = 0
    try:
        for line in lines:
            taken.append(line)
            work += work_of_token * len(lm.tokenizer.encode(line or ""))
            if work >= WORTH_LOADING or len(taken) == MOST_HELD:
                return True, chain(taken, lines)
    except WeftError as fault:
        return False, _then_raise(taken, fault)
    return False, iter(taken)


def _then_raise(lines: list[str | None], fault: WeftError) -> Iterator[str | None]:
    yield from lines
    raise fault

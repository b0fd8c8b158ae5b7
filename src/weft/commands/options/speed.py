"""Options that change the speed: how many streams are read in parallel, which kernels compute, on how many threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import chain
from typing import Annotated

from weft.backends.fused import PRECISIONS, fused, saying_when_compiling, why_not_fused
from weft.commands.help import SPEED
from weft.commands.options.declaration import choice_option, whole_number_option
from weft.commands.options.values import one_of
from weft.errors import InputError, WeftError
from weft.language_model import LanguageModel
from weft.presentation.streams import note

KINDS = ("auto", "fused", "plain")

LOADING_PAYS = 20_000_000_000
"""Multiply-adds above which the fused kernels save more time than loading them takes."""

MAX_LOOKAHEAD = 10_000
"""Lines read ahead at most to estimate the work; a text with more lines counts as large."""

_BATCH_SIZE_HELP = "Streams or lines read in parallel; the numbers do not depend on it."

BatchSize = Annotated[int, whole_number_option(_BATCH_SIZE_HELP, group=SPEED)]
OptionalBatchSize = Annotated[
    int | None,
    whole_number_option(_BATCH_SIZE_HELP, default="16 segments of a running text, 32 lines", group=SPEED),
]
"""A batch size without a default value: some ways of reading have no batch size."""

KernelsOption = Annotated[
    str, choice_option(KINDS, "The implementation; auto is the one the run was trained with.", group=SPEED)
]
ThreadsOption = Annotated[
    int | None, whole_number_option("Threads of the fused kernels.", default="all cores", group=SPEED)
]
PrecisionOption = Annotated[
    str,
    choice_option(
        PRECISIONS,
        "Operands of the matrix products on the fused kernels; bfloat16 is faster and changes the third digit.",
        group=SPEED,
    ),
]


def kernels_of(
    lm: LanguageModel, kernels: str = "auto", threads: int | None = None, precision: str = "float32"
) -> AbstractContextManager[None]:
    """The context in which `lm` runs on these kernels; raises InputError for options that exclude each other."""
    one_of("--precision", precision, PRECISIONS)
    if one_of("--kernels", kernels, KINDS) == "auto":
        trained_fused = lm.config.training.kernels == "fused" and why_not_fused() is None
        kernels = "fused" if trained_fused or precision != "float32" else "plain"
    if kernels == "plain" and (threads is not None or precision != "float32"):
        raise InputError(
            "--threads and --precision are for the fused kernels, and the plain ones are used: leave them out, or give "
            "--kernels fused"
        )
    return _fused_with_notice(threads, precision) if kernels == "fused" else nullcontext()


@contextmanager
def _fused_with_notice(threads: int | None, precision: str) -> Iterator[None]:
    with fused(threads, precision), saying_when_compiling(note):
        yield


def kernels_for_lines(
    lm: LanguageModel, lines: Iterator[str | None], batch_size: int | None, kernels: str, threads: int | None
) -> tuple[AbstractContextManager[None], Iterator[str | None]]:
    """As `kernels_of`, and the lines to score; auto takes the fused kernels only for a text large enough to pay.

    To estimate the work, lines are read ahead until they are enough. With batch size 1 none are read ahead: each line
    is answered before the next is read.
    """
    if kernels == "auto" and threads is None:
        if batch_size == 1 or lm.config.training.kernels == "plain":
            return nullcontext(), lines
        large, lines = _is_large(lm, lines)
        if not large:
            return nullcontext(), lines
    return kernels_of(lm, kernels, threads), lines


def _is_large(lm: LanguageModel, lines: Iterator[str | None]) -> tuple[bool, Iterator[str | None]]:
    """Whether loading the kernels pays for these lines, and an iterator over the same lines."""
    work_of_token = sum(parameter.size for parameter in lm.model.params)
    if not lm.model.tied:
        work_of_token -= lm.model.embedding.params[0].size
    taken: list[str | None] = []
    work = 0
    try:
        for line in lines:
            taken.append(line)
            work += work_of_token * len(lm.tokenizer.encode(line or ""))
            if work >= LOADING_PAYS or len(taken) == MAX_LOOKAHEAD:
                return True, chain(taken, lines)
    except WeftError as error:
        return False, _then_raise(taken, error)
    return False, iter(taken)


def _then_raise(lines: list[str | None], error: WeftError) -> Iterator[str | None]:
    yield from lines
    raise error

"""Small parallel kernels: with named arguments, with rounds, and with bodies that raise exceptions."""

from __future__ import annotations

from typing import Any, NamedTuple

from weft.backends.kernels.jit.compile import inlined
from weft.backends.kernels.threads.parallel import Phase, parallel, parallel_kernel


@parallel
def failing(chunk: Any, chunks: Any, out: Any) -> None:
    """Raises in chunk 1."""
    out[chunk] = 1
    if chunk == 1:
        raise ValueError


def _fail_in_the_third_round(chunk: Any, chunks: Any, round: Any, out: Any) -> None:
    out[chunk] += 1
    if chunk == 1 and round == 2:
        raise ValueError


def _four(chunks: Any, out: Any) -> Any:
    return 4


failing_later = parallel_kernel("failing_later", None, Phase(_fail_in_the_third_round, _four))


@inlined
def _checked_root(x: Any) -> Any:
    if x < 0:
        raise ValueError("the root of a negative number")
    return x**0.5


@parallel
def roots(chunk: Any, chunks: Any, x: Any) -> None:
    """x <- √x, with one element per chunk; an inlined function raises ValueError for a negative element."""
    x[chunk] = _checked_root(x[chunk])


class Scaling(NamedTuple):
    """Arguments of `scaled`."""

    x: Any
    factor: Any
    parts: Any
    out: Any


def _scale(chunk: Any, chunks: Any, p: Any) -> None:
    first, second = p.parts
    p.out[chunk] = p.factor * p.x[chunk] + first[chunk] - second[chunk]


scaled = parallel_kernel("scaled", Scaling._fields, Phase(_scale))
"""out <- factor x + parts[0] - parts[1], with one element per chunk."""


def _count(chunk: Any, chunks: Any, round: Any, rounds: Any, counts: Any, early: Any) -> None:
    for other in range(chunks):
        if round > 0 and counts[round - 1, other] != 1:
            early[chunk] = 1
    counts[round, chunk] += 1


def _rounds(chunks: Any, rounds: Any, counts: Any, early: Any) -> Any:
    return rounds


def _mark(chunk: Any, chunks: Any, rounds: Any, counts: Any, early: Any) -> None:
    counts[counts.shape[0] - 1, chunk] += 1


counted = parallel_kernel("counted", None, Phase(_count, _rounds), Phase(_mark))
"""counts (rounds + 1, chunks): executions of every chunk in every round of the first phase, then in the second phase.

early[chunk] <- 1 if the chunk ran before all chunks of the previous round.
"""

"""Parallel kernels whose second chunk fails: at once, or in its third round."""

from __future__ import annotations

from typing import Any

from weft.backends.kernels.threads.parallel import Phase, parallel, parallel_kernel


@parallel
def failing(chunk: Any, chunks: Any, out: Any) -> None:
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

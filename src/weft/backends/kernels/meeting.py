"""Where workers that carry one block wait for each other: between its parts, and within a time loop once a step or more
often, which is too often to sleep in between.

The words of a meeting are how many have arrived so far, in all rounds together, how many workers there are, and whether
it was abandoned. Who arrives adds one, and waits until all others of this round have; a worker whose fellows have no
core at the moment gives its own away after a while. A worker that fails abandons the meeting, so that nobody waits for
it; what the others compute from then on is of no use.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from weft.backends.kernels.atomics import add, give_core_away, read
from weft.backends.kernels.compiling import within_kernels
from weft.backends.kernels.micro_kernel import pointer_to, shift

PATIENCE = 20_000
"""Looks at the counter before a core is offered to others; about 50 microseconds."""

ARRIVALS, WORKERS, ABANDONED = range(3)


class Meeting:
    """A meeting of so many workers, none of which has arrived; `words` is what `meet` takes."""

    def __init__(self, workers: int) -> None:
        self.words = np.array([0, workers, 0], np.int64)
        self._barrier = threading.Barrier(workers) if workers > 1 else None

    def wait(self) -> None:
        """Let no worker go on before all have come here, asleep; raises BrokenBarrierError if one never will."""
        if self._barrier is not None:
            self._barrier.wait()

    def abandon(self) -> None:
        """Let nobody wait any more."""
        self.words[ABANDONED] = 1
        if self._barrier is not None:
            self._barrier.abort()


@within_kernels
def meet(words: Any) -> None:
    """Wait, awake, until every worker has come here, or the meeting is abandoned."""
    workers = words[WORKERS]
    if workers > 1:
        counter = pointer_to(words, ARRIVALS)
        round_is_full = (add(counter, 1) // workers + 1) * workers
        looks = 0
        while read(counter) < round_is_full:
            looks += 1
            if looks == PATIENCE:
                if read(shift(counter, ABANDONED)) != 0:
                    return
                give_core_away()
                looks = 0

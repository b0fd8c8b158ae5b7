"""Where workers that share a time loop wait for each other, once a step or more often: too often to sleep in between.

A meeting is an array of two int64: how many have arrived so far, in all meetings together, and how many workers there
are. Who arrives adds one, and waits until all others of this round have; a worker whose fellows have no core at the
moment gives its own away after a while.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numpy.typing import NDArray

from weft.backends.kernels.compiling import compiled, intrinsic
from weft.backends.kernels.micro_kernel import pointer_to

PATIENCE = 20_000
"""Looks at the counter before a core is offered to others; about 50 microseconds."""

COUNT = ir.IntType(64)

_give_core_away = types.ExternalFunction("sched_yield", types.int32())


def new_meeting(workers: int) -> NDArray[np.int64]:
    """A meeting of so many workers, none of which has arrived."""
    return np.array([0, workers], np.int64)


@intrinsic
def arrive(typing: Any, counter: Any) -> Any:
    """Add one, after everything written before, and return the number of arrivals before it."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.atomic_rmw("add", args[0], COUNT(1), "seq_cst")

    return types.int64(counter), generate


@intrinsic
def arrivals(typing: Any, counter: Any) -> Any:
    """The number of arrivals, read before anything after it."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(args[0], "acquire", 8)

    return types.int64(counter), generate


@compiled
def meet(meeting: Any) -> None:
    """Wait until every worker has come here."""
    workers = meeting[1]
    if workers > 1:
        counter = pointer_to(meeting, 0)
        round_is_full = (arrive(counter) // workers + 1) * workers
        looks = 0
        while arrivals(counter) < round_is_full:
            looks += 1
            if looks == PATIENCE:
                _give_core_away()
                looks = 0

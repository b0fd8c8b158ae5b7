"""Training steps of PyTorch through `torch.compile`, where it can build them in the time allowed.

By default it compiles what stands around the recurrent layer and leaves that as it is; told to, it traces the layer
too, one copy of a step's operations for each of the T steps, which takes minutes for all but small ones.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from benchmarks.contender import CannotTakePart, Contender, Step
from benchmarks.training_steps import torch_step_of
from benchmarks.workloads import Workload

LONGEST_REASON = 100


def compiled_contenders(seconds: float) -> list[Contender[Workload]]:
    """Both kinds; building each may take so many seconds for a workload."""
    return [
        Contender("PyTorch compiled", partial(compiled_step, unrolled=False, seconds=seconds)),
        Contender("PyTorch unrolled", partial(compiled_step, unrolled=True, seconds=seconds)),
    ]


def compiled_step(workload: Workload, unrolled: bool, seconds: float) -> Step:
    """The step, built. Raises CannotTakePart without a C++ compiler, and when building fails or takes too long."""
    if not any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++"))):
        raise CannotTakePart("torch.compile needs a C++ compiler, and there is none")
    import torch

    from benchmarks.torch_model import TorchLM, torch_twin

    def loss(model: TorchLM, inputs: Any, targets: Any, state: Any) -> Any:
        return model.loss(inputs, targets, state)

    twin = torch_twin(workload.model(), workload.cell)
    # What was compiled belongs to the code of a function: a new one shares nothing with other workloads.
    loss.__code__ = loss.__code__.replace(co_name=f"loss_{workload.name}_{unrolled}")
    step = torch_step_of(twin, partial(torch.compile(loss), twin), workload)
    dynamo: Any = torch._dynamo.config
    inductor: Any = torch._inductor.config
    try:
        logging.disable()  # what goes wrong is told in one line instead
        # In this process only: helpers that go on compiling would disturb what is timed next.
        with limit(seconds), dynamo.patch(allow_rnn=unrolled), inductor.patch(compile_threads=1):
            step()
            step()
    except Exception as error:
        torch._dynamo.reset()
        raise CannotTakePart(f"torch.compile: {one_line(error)}") from error
    finally:
        logging.disable(logging.NOTSET)
    return step


@contextmanager
def limit(seconds: float) -> Iterator[None]:
    """Raise TimeoutError when the block takes longer, on systems that have such an alarm."""

    def stop(*_: Any) -> None:
        raise TimeoutError(f"not built within {seconds:g} seconds")

    if not hasattr(signal, "setitimer"):
        yield
        return
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def one_line(error: BaseException) -> str:
    """The first line of what went wrong at the bottom of it, shortened."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0] if len(lines[0]) <= LONGEST_REASON else lines[0][: LONGEST_REASON - 1] + "…"

"""Training steps of PyTorch through `torch.compile`, where it can build them in the time allowed.

By default it compiles what stands around the recurrent layer and leaves that as it is; told to, it traces the layer
too, one copy of a step's operations for each of the T steps, which takes minutes for all but small ones.

Whether a step can be built is tried in a process of its own, which can be stopped; what is built there is kept on disk
by PyTorch and found again here.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from dataclasses import asdict
from functools import partial
from typing import Any

from benchmarks import ROOT
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
    case = json.dumps({"workload": asdict(workload), "unrolled": unrolled})
    command = [sys.executable, "-m", "benchmarks.compiled", case]
    try:
        tried = subprocess.run(command, capture_output=True, text=True, timeout=seconds, cwd=ROOT)
    except subprocess.TimeoutExpired:
        raise CannotTakePart(f"torch.compile: not built within {seconds:g} seconds") from None
    if tried.returncode:
        reason = (tried.stderr.strip().splitlines() or [f"it ended with {tried.returncode}"])[-1]
        raise CannotTakePart(f"torch.compile: {reason}")
    return built_step(workload, unrolled)


def built_step(workload: Workload, unrolled: bool) -> Step:
    """The step after it was made twice: the second time it meets a state that it has made itself."""
    import torch

    from benchmarks.torch_model import TorchLM, torch_twin

    def loss(model: TorchLM, inputs: Any, targets: Any, state: Any) -> Any:
        return model.loss(inputs, targets, state)

    # What was compiled belongs to the code of a function: a new one shares nothing with other workloads.
    loss.__code__ = loss.__code__.replace(co_name=f"loss_{workload.name}_{unrolled}")
    twin = torch_twin(workload.model(), workload.cell)
    step = torch_step_of(twin, partial(torch.compile(loss), twin), workload)
    dynamo: Any = torch._dynamo.config
    inductor: Any = torch._inductor.config
    # In this process only: helpers that go on compiling would disturb what is timed next.
    with dynamo.patch(allow_rnn=unrolled), inductor.patch(compile_threads=1):
        step()
        step()
    return step


def main() -> None:
    """Build one step; what goes wrong is one line on standard error."""
    case = json.loads(sys.argv[1])
    logging.disable()
    try:
        built_step(Workload(**case["workload"]), case["unrolled"])
    except Exception as error:
        sys.exit(one_line(error))


def one_line(error: BaseException) -> str:
    """The first line of what went wrong at the bottom of it, shortened."""
    while error.__cause__ is not None:
        error = error.__cause__
    line = f"{type(error).__name__}: {error}".strip().splitlines()[0]
    return line if len(line) <= LONGEST_REASON else f"{line[: LONGEST_REASON - 1]}…"


if __name__ == "__main__":
    main()

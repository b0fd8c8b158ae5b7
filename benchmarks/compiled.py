"""Training steps, scoring and streaming through PyTorch's `torch.compile`, where it can build them in the time allowed.

What stands around the recurrent layer is compiled and that left as it is; or the layer is traced too, one copy of its
operations for each of the T steps. That takes minutes for all but small ones; for one token there is nothing to unroll.

Whether a step can be built is tried in a process of its own, which can be stopped; what is built there is kept on disk
by PyTorch and found again here.
"""

from __future__ import annotations

import logging
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks import ROOT
from benchmarks.contender import CannotTakePart, Case, Contender, Step

LONGEST_REASON = 100
BUILDING_CALLS = 2
"""The second time a step meets a state that it has made itself."""


def compiled_contender(
    build: Callable[[Case], Step], seconds: float, name: str = "PyTorch compiled"
) -> Contender[Case]:
    """Takes part where `build`, which another process must be able to unpickle, makes a step in so many seconds."""
    return Contender(name, partial(built_within, seconds, build))


def built_within(seconds: float, build: Callable[[Case], Step], case: Case) -> Step:
    """What `build` makes. Raises CannotTakePart without a C++ compiler, and when building fails or takes too long."""
    if not has_compiler():
        raise CannotTakePart("torch.compile needs a C++ compiler, and there is none")
    command, task = [sys.executable, "-m", "benchmarks.compiled"], pickle.dumps(partial(build, case))
    try:
        tried = subprocess.run(command, input=task, capture_output=True, timeout=seconds, cwd=ROOT)
    except subprocess.TimeoutExpired:
        raise CannotTakePart(f"torch.compile: not built within {seconds:g} seconds") from None
    if tried.returncode:
        told = tried.stderr.decode(errors="replace").strip().splitlines()
        raise CannotTakePart(f"torch.compile: {told[-1] if told else f'it ended with {tried.returncode}'}")
    return build(case)


def has_compiler() -> bool:
    """Whether there is a C++ compiler, which torch.compile needs."""
    return any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++")))


def compiled(twin: Any, method: str, unrolled: bool = False) -> Any:
    """A method of a TorchLM through torch.compile, which builds it when it is first called: within `built`."""
    import torch

    library: Any = torch
    if not unrolled:
        twin.hidden = library.compiler.disable(twin.hidden)
    # Cases share the code of the model; what was built for one must not make the next one's sizes variable.
    return library.compile(getattr(twin, method), dynamic=False, isolate_recompiles=True)


def built(step: Step) -> Step:
    """The step after BUILDING_CALLS calls."""
    import torch._dynamo
    import torch._inductor

    dynamo: Any = torch._dynamo.config
    inductor: Any = torch._inductor.config
    # In this process only: helpers that go on compiling would disturb what is timed next.
    with dynamo.patch(allow_rnn=True), inductor.patch(compile_threads=1):
        for _ in range(BUILDING_CALLS):
            step()
    return step


def main() -> None:
    """Build one step, which comes through standard input; what goes wrong is one line on standard error."""
    logging.disable()
    try:
        pickle.load(sys.stdin.buffer)()
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

"""PyTorch's `torch.compile` for training steps, scoring and streaming, with a time limit for compilation.

By default the recurrent layer stays eager and the rest of the model is compiled. With `unrolled=True` the layer is also
traced, with one copy of its operations per time step. Compiling it takes minutes except for small models. Streaming
reads one token at a time, so there is nothing to unroll.

A first compilation runs in a subprocess, which can be stopped at the time limit. PyTorch caches the compiled code on
disk, and the benchmark process loads it from there.
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
from benchmarks.contender import Case, Contender, Step, Unavailable

MAX_REASON_LENGTH = 100
WARMUP_CALLS = 2
"""Calls until nothing is left to compile: from the second call on, the input state is an output of the step."""


def compiled_contender(
    build: Callable[[Case], Step], seconds: float, name: str = "PyTorch compiled"
) -> Contender[Case]:
    """A contender whose step is built by `build` (picklable); unavailable if `build` takes longer than `seconds`."""
    return Contender(name, partial(compile_within, seconds, build))


def compile_within(seconds: float, build: Callable[[Case], Step], case: Case) -> Step:
    """The step of `build`. Raises Unavailable without a C++ compiler, or if compilation fails or takes too long."""
    if not has_compiler():
        raise Unavailable("torch.compile needs a C++ compiler, and none is installed")
    command, task = [sys.executable, "-m", "benchmarks.compiled"], pickle.dumps(partial(build, case))
    try:
        trial = subprocess.run(command, input=task, capture_output=True, timeout=seconds, cwd=ROOT)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"torch.compile: not compiled within {seconds:g} seconds") from None
    if trial.returncode:
        messages = trial.stderr.decode(errors="replace").strip().splitlines()
        raise Unavailable(f"torch.compile: {messages[-1] if messages else f'exit status {trial.returncode}'}")
    return build(case)


def has_compiler() -> bool:
    """True if a C++ compiler, which torch.compile needs, is on the path."""
    return any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++")))


def compiled(model: Any, method: str, unrolled: bool = False) -> Any:
    """A method of a TorchLM through torch.compile; the first call, within `compiled_by_calling`, compiles it."""
    import torch

    library: Any = torch
    if not unrolled:
        model.hidden = library.compiler.disable(model.hidden)
    # All cases share the model's code: without isolation, a second case with other sizes would compile dynamic shapes.
    return library.compile(getattr(model, method), dynamic=False, isolate_recompiles=True)


def compiled_by_calling(step: Step) -> Step:
    """The step after WARMUP_CALLS calls, which compile it."""
    import torch._dynamo
    import torch._inductor

    dynamo: Any = torch._dynamo.config
    inductor: Any = torch._inductor.config
    # Compile in this process only: background compile workers would disturb the measurements that follow.
    with dynamo.patch(allow_rnn=True), inductor.patch(compile_threads=1):
        for _ in range(WARMUP_CALLS):
            step()
    return step


def main() -> None:
    """Compile one step, pickled on standard input; an error is printed as one line on standard error."""
    logging.disable()
    try:
        pickle.load(sys.stdin.buffer)()
    except Exception as error:
        sys.exit(one_line(error))


def one_line(error: BaseException) -> str:
    """The first line of the root cause of an error, at most MAX_REASON_LENGTH characters."""
    while error.__cause__ is not None:
        error = error.__cause__
    line = f"{type(error).__name__}: {error}".strip().splitlines()[0]
    return line if len(line) <= MAX_REASON_LENGTH else f"{line[: MAX_REASON_LENGTH - 1]}…"


if __name__ == "__main__":
    main()

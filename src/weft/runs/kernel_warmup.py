"""The kernels of a run: selected, and compiled before the first step, so that no step includes compilation.

Numba compiles on one core. Where there are two and something has to be compiled, a second process compiles the output
layer and the updates into the compile cache, while this one compiles the passes through a block.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass

import numpy as np

from weft.backends.cpu_cores import available_cores
from weft.backends.fused import fused, saying_when_compiling
from weft.config import Config, TrainingConfig
from weft.layers import OutputSettings
from weft.model import RNNLM
from weft.runs.reporting import Reporter
from weft.training.gradients import global_norm
from weft.training.optimizer import make_optimizer
from weft.training.running_mean import move_towards

V, H, N, T = 300, 144, 8, 16
"""Sizes of the small model whose passes compile the kernels: large enough for all branches of a training step."""


@contextmanager
def kernels_of_run(config: Config, reporter: Reporter) -> Iterator[None]:
    """A context manager in which training uses the kernels of `config`, compiled first with a note to `reporter`.

    Raises InputError if the kernels cannot run on this machine.
    """
    if config.training.kernels == "plain":
        yield
        return
    with fused(config.training.threads, config.training.precision):
        _compile(config, reporter)
        yield


def exact_kernels(training: TrainingConfig) -> AbstractContextManager[None]:
    """A context manager in which the kernels of a run compute in float32, so that evaluation is exact."""
    return fused(training.threads) if training.kernels == "fused" else nullcontext()


@dataclass(frozen=True)
class SmallModel:
    """What the kernels of a run depend on."""

    cell: str
    tied: bool
    layer_norm: bool
    output: str
    threads: int | None
    precision: str
    optimizer: str

    @classmethod
    def of(cls, config: Config) -> SmallModel:
        """The small model of a run."""
        model, training = config.model, config.training
        return cls(
            model.cell, model.tied, model.layer_norm, model.output,
            training.threads, training.precision, training.optimizer,
        )  # fmt: skip

    def build(self) -> RNNLM:
        """The model, untrained."""
        output = OutputSettings(output=self.output)
        return RNNLM(V, H, H, 2, self.cell, tied=self.tied, layer_norm=self.layer_norm, output=output, seed=0)


def _compile(config: Config, reporter: Reporter) -> None:
    """Training and scoring passes of a small model, which compile every kernel that the run needs."""
    small = SmallModel.of(config)
    second = _SecondCompiler(small)

    def on_compilation(note: str) -> None:
        reporter.note(note)
        second.start()

    with saying_when_compiling(on_compilation), second:
        model, ids = small.build(), np.zeros((N, T), dtype=np.int64)
        model.stack.backward(model.forward(ids))
        model.hidden_states(ids, model.zero_state(N))
        second.wait()
        model.loss(ids, ids)
        model.backward()
        model.log_probabilities(ids, ids, model.zero_state(N))
        _update(model, config.training)


def compile_output(small: SmallModel) -> None:
    """Compile the kernels of the output layer and of the updates; called in the second process."""
    with fused(small.threads, small.precision):
        model, ts = small.build(), np.zeros((N, T), dtype=np.int64)
        hs = np.zeros((N, T, H), np.float32)
        model.output.forward(hs, ts)
        model.output.backward()
        model.output.log_probabilities(hs, ts)
        training = TrainingConfig(
            batch_size=N, bptt=T, epochs=1, lr=1, schedule="constant", optimizer=small.optimizer, kernels="fused"
        )
        _update(model, training)


def _update(model: RNNLM, training: TrainingConfig) -> None:
    optimizer = make_optimizer(training, model.named_parameters())
    global_norm(model.named_gradients())
    optimizer.update(model.named_gradients(), 1e-9)
    if training.accumulate > 1 or training.ema or training.average_after is not None:
        move_towards(model.params, model.params, 0.5)


class _SecondCompiler:
    """A process that compiles `compile_output` into the compile cache. A failure only costs time."""

    def __init__(self, small: SmallModel) -> None:
        self.small = small
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process if a core is free for it."""
        if available_cores() < 2 or not sys.executable:
            return
        program = (
            "import json, sys; from weft.runs.kernel_warmup import SmallModel, compile_output; "
            "compile_output(SmallModel(**json.loads(sys.argv[1])))"
        )
        command = [sys.executable, "-c", program, json.dumps(asdict(self.small))]
        nothing = subprocess.DEVNULL
        try:
            self.process = subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing)
        except OSError:
            self.process = None

    def wait(self) -> None:
        """Wait until everything is compiled."""
        if self.process is not None:
            self.process.wait()

    def __enter__(self) -> _SecondCompiler:
        return self

    def __exit__(self, *_error: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

"""The kernels of a run: selected, and compiled before the first step, so that no step includes compilation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import numpy as np

from weft.backends.fused import fused, saying_when_compiling
from weft.config import Config, TrainingConfig
from weft.layers import OutputSettings
from weft.model import RNNLM
from weft.runs.reporting import Reporter
from weft.training.gradients import global_norm
from weft.training.optimizer import make_optimizer
from weft.training.running_mean import move_towards


@contextmanager
def kernels_of_run(config: Config, reporter: Reporter) -> Iterator[None]:
    """A context manager in which training uses the kernels of `config`, compiled first with a note to `reporter`.

    Raises InputError if the kernels cannot run on this machine.
    """
    if config.training.kernels == "plain":
        yield
        return
    with fused(config.training.threads, config.training.precision), saying_when_compiling(reporter.note):
        _small_pass(config)
        yield


def exact_kernels(training: TrainingConfig) -> AbstractContextManager[None]:
    """A context manager in which the kernels of a run compute in float32, so that evaluation is exact."""
    return fused(training.threads) if training.kernels == "fused" else nullcontext()


def _small_pass(config: Config) -> None:
    """One training and one scoring pass of a small model, which compile all kernels that the run needs."""
    model = config.model
    output = OutputSettings(output=model.output)
    small = RNNLM(300, 144, 144, 2, model.cell, tied=model.tied, layer_norm=model.layer_norm, output=output, seed=0)
    ids = np.zeros((8, 16), dtype=np.int64)
    small.loss(ids, ids)
    small.backward()
    small.log_probabilities(ids, ids, small.zero_state(8))
    optimizer = make_optimizer(config.training, small.named_parameters())
    global_norm(small.named_gradients())
    optimizer.update(small.named_gradients(), 1e-9)
    training = config.training
    if training.accumulate > 1 or training.ema or training.average_after is not None:
        move_towards(small.params, small.params, 0.5)

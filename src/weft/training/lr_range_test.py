"""The learning-rate range test (Smith 2017): the loss while the learning rate grows from far too low to far too high.

    eta_i = eta_0 (eta_S / eta_0)^(i / S)        one training step for each i = 0 … S

At low rates the loss hardly changes, then it falls increasingly fast, then it stalls and finally explodes, which ends
the test. The losses are smoothed by local linear regression in x = ln eta (Cleveland 1979): at every point, a line is
fitted to all losses, weighted by a Gaussian around the point. The value of the line is the smoothed loss.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weft.config import TrainingConfig
from weft.errors import TrainingDivergedError
from weft.evaluation.perplexity import mean_nats
from weft.files import write_text_atomically
from weft.loss import NOTHING, Loss
from weft.presentation.records import decimal, tsv
from weft.training.interfaces import BlockSource, Trainable
from weft.training.optimizer import make_optimizer
from weft.training.progress import Progress, Status
from weft.training.step import Stepper

LOWEST, HIGHEST, STEPS = 1e-5, 100.0, 300
EXPLODED = 1.5
"""Factor of the loss before the first step above which the loss has exploded. The untrained model is better then."""

SAFETY = 3.0
"""The suggested rate is lower by this factor than the rate of the lowest loss, which diverges in a whole run."""

LEAST_FALL = 0.01
"""Smallest decrease of the loss, as a share of the first loss, for which a rate is suggested."""

BANDWIDTH = 0.15 * math.log(10)
"""Standard deviation of the Gaussian weights, in x: 0.15 decades."""

COLUMNS = ("learning_rate", "nats_per_token", "smoothed_nats_per_token")
"""Columns of the table of `write_sweep`."""


class _NotFiniteError(Exception):
    """A number is no longer finite."""


@dataclass(frozen=True)
class Sweep:
    """The result: `losses[i]`, in nats per token, is the loss of the block after the step with the rate `rates[i]`."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    start: float
    """Nats per token before the first step."""
    exploded: bool
    """Whether the loss exploded before the highest rate."""

    @property
    def smoothed(self) -> list[float]:
        """The smoothed losses, in nats per token."""
        heights, _slopes = local_lines(np.log(self.rates), np.array(self.losses), BANDWIDTH)
        return [float(height) for height in heights]

    @property
    def lowest(self) -> int:
        """The index of the lowest smoothed loss."""
        smoothed = self.smoothed
        return min(range(len(smoothed)), key=smoothed.__getitem__)

    @property
    def suggestion(self) -> float | None:
        """The suggested learning rate: that of the lowest loss divided by SAFETY; None if the loss did not fall."""
        if self.smoothed[self.lowest] > (1 - LEAST_FALL) * self.start:
            return None
        return self.rates[self.lowest] / SAFETY

    def explanation(self) -> list[str]:
        """The result in lines of text."""
        if self.suggestion is None:
            return [f"the loss began at {self.start:.2f} nats per token and never fell"]
        lowest = self.rates[self.lowest]
        lines = [
            f"the loss fell from {self.start:.2f} nats per token to {self.smoothed[self.lowest]:.2f} at the learning "
            f"rate {lowest:.2g}; suggested is {1 / SAFETY:.2g} of it"
        ]
        if self.exploded:
            lines.append(f"beyond {self.rates[-1]:.2g} it exploded")
        if self.lowest == len(self.rates) - 1:
            lines.append(f"it was still falling at the highest rate, {lowest:.2g}: a higher --to may show a better one")
        return lines


def sweep_rates(
    model: Trainable,
    blocks: BlockSource,
    config: TrainingConfig,
    lowest: float,
    highest: float,
    steps: int,
    progress: Progress,
) -> Sweep:
    """Train `model` with learning rates from `lowest` to `highest` in `steps` steps, by the optimizer of `config`.

    The model is useless afterwards. The sweep ends early if the loss explodes: if it is no longer finite, or above
    EXPLODED times the first loss. Raises TrainingDivergedError if that happens in the first two steps.
    """
    optimizer = make_optimizer(config, model.named_parameters())
    stepper = Stepper(model, blocks, config, optimizer, _check_finite)
    rates = [lowest * (highest / lowest) ** (step / steps) for step in range(steps + 1)]
    losses: list[float] = []
    total, began, exploded = NOTHING, time.perf_counter(), False
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for step, rate in enumerate(rates):
            loss = _loss_or_none(stepper, rate)
            exploded = loss is None or (bool(losses) and mean_nats(loss) > EXPLODED * losses[0])
            if loss is None or exploded:
                break
            losses.append(mean_nats(loss))
            total = total.plus(loss)
            seconds = max(time.perf_counter() - began, 1e-9)
            left = seconds / (step + 1) * (steps - step)
            progress.stepped(Status(step, steps, 1, 1, loss, rate, total.tokens / seconds, left))
    if len(losses) < 2:
        raise TrainingDivergedError(f"the loss exploded at once, at the learning rate {lowest:g}: begin lower")
    return Sweep(tuple(rates[: len(losses) - 1]), tuple(losses[1:]), losses[0], exploded)


def write_sweep(path: Path, sweep: Sweep) -> None:
    """Write one row a step into the TSV file at `path`, replaced atomically; the first row names the columns."""
    rows = zip(sweep.rates, sweep.losses, sweep.smoothed, strict=True)
    fields = ((f"{rate:.6g}", decimal(loss), decimal(smoothed)) for rate, loss, smoothed in rows)
    write_text_atomically(path, tsv(COLUMNS, fields))


def _loss_or_none(stepper: Stepper, rate: float) -> Loss | None:
    """The loss of a step; None if it is not finite."""
    try:
        return stepper.take(rate)
    except _NotFiniteError:
        return None


def _check_finite(what: str, value: float) -> None:
    if not math.isfinite(value):
        raise _NotFiniteError


def local_lines(
    x: NDArray[np.float64], y: NDArray[np.float64], bandwidth: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Value and slope (M,) at every x (M,) of the line fitted to all y (M,) with Gaussian weights around x."""
    offsets = x[None, :] - x[:, None]
    weights = np.exp(-0.5 * (offsets / bandwidth) ** 2)
    weights /= weights.sum(axis=1, keepdims=True)
    mean_x, mean_y = (weights * offsets).sum(axis=1), weights @ y
    variance = (weights * offsets**2).sum(axis=1) - mean_x**2
    covariance = (weights * offsets) @ y - mean_x * mean_y
    slopes = np.where(variance > 1e-12, covariance / np.maximum(variance, 1e-12), 0.0)
    return mean_y - slopes * mean_x, slopes

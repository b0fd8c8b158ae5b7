"""The learning-rate range test (Smith 2017): the loss while the learning rate grows from far too low to far too high.

    eta_i = eta_0 (eta_S / eta_0)^(i / S)        i = 0 … S, a step of training each

Too low, the loss stays; then it falls, faster and faster; then it stalls and explodes, which ends the test. What the
losses would be without the noise of single blocks is estimated by local lines in x = ln eta: about every point a
straight line is fitted to all losses, weighted by a normal curve in x (Cleveland 1979); its height is the smoothed loss
and its slope how fast that falls.
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
from weft.training.interfaces import BlockSource, Trainable
from weft.training.optimizer import make_optimizer
from weft.training.progress import Progress, Status
from weft.training.step import Stepper

LOWEST, HIGHEST, STEPS = 1e-5, 100.0, 300
EXPLODED = 1.5
"""Times the loss before the first step: beyond it a model is far worse off than one that knows nothing."""

SAFETY = 3.0
"""The rate at which the loss is lowest is borne for some steps only; a whole run needs this many times less."""

LEAST_FALL = 0.01
"""Share of the first loss that the loss must have fallen by for a suggestion."""

BANDWIDTH = 0.15 * math.log(10)
"""Standard deviation of the weights of the local lines, in x: 0.15 decades."""

COLUMNS = ("learning_rate", "nats_per_token", "smoothed_nats_per_token")
"""Of the table of `write_sweep`."""


class _NotFiniteError(Exception):
    """A number is no longer finite."""


@dataclass(frozen=True)
class Sweep:
    """What came out: `losses[i]`, in nats per token, is of the block that followed the step of `rates[i]`."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    start: float
    """Nats per token before the first step."""
    exploded: bool
    """Whether the loss exploded before the highest rate was reached."""

    @property
    def smoothed(self) -> list[float]:
        """The losses without the noise of single blocks."""
        heights, _slopes = local_lines(np.log(self.rates), np.array(self.losses), BANDWIDTH)
        return [float(height) for height in heights]

    @property
    def lowest(self) -> int:
        """The index at which the smoothed loss is lowest."""
        smoothed = self.smoothed
        return min(range(len(smoothed)), key=smoothed.__getitem__)

    @property
    def suggestion(self) -> float | None:
        """A learning rate to train with: the one at which the loss is lowest over `SAFETY`; None if it never fell."""
        if self.smoothed[self.lowest] > (1 - LEAST_FALL) * self.start:
            return None
        return self.rates[self.lowest] / SAFETY

    def explanation(self) -> list[str]:
        """What came out, in lines for a person."""
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
    """Train `model`, which is spoilt by it, with rates from `lowest` to `highest` in `steps` steps, as `config` says.

    It ends sooner when the loss explodes: when it is no longer finite, or beyond `EXPLODED` times that at the start.
    Raises TrainingDivergedError when it does so at once.
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
    lines = ["\t".join(COLUMNS), *(f"{rate:.6g}\t{loss:.6f}\t{smoothed:.6f}" for rate, loss, smoothed in rows)]
    write_text_atomically(path, "\n".join(lines) + "\n")


def _loss_or_none(stepper: Stepper, rate: float) -> Loss | None:
    """The loss of a step; None if it is no longer finite."""
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
    """The height and slope (M,), at every x (M,), of the line fitted to all y (M,) under a normal curve about x."""
    offsets = x[None, :] - x[:, None]
    weights = np.exp(-0.5 * (offsets / bandwidth) ** 2)
    weights /= weights.sum(axis=1, keepdims=True)
    mean_x, mean_y = (weights * offsets).sum(axis=1), weights @ y
    variance = (weights * offsets**2).sum(axis=1) - mean_x**2
    covariance = (weights * offsets) @ y - mean_x * mean_y
    slopes = np.where(variance > 1e-12, covariance / np.maximum(variance, 1e-12), 0.0)
    return mean_y - slopes * mean_x, slopes

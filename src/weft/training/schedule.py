"""Learning-rate schedules: constant, plateau and cosine."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

from weft.config import TrainingConfig
from weft.errors import CheckpointError


class Schedule(Protocol):
    """A learning rate for every step, which may depend on the losses of earlier epochs."""

    def lr(self, step: int) -> float:
        """The learning rate of a step after `step` earlier ones."""

    def epoch_ended(self, nats_per_token: float) -> None:
        """Record the validation loss of an epoch, or its training loss if no text is held out."""

    def state(self) -> dict[str, Any]:
        """JSON values that must be saved to continue."""

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from a saved `state()`. Raises CheckpointError if it is invalid."""


class _StepsOnly:
    """A schedule that depends on the step only."""

    def epoch_ended(self, nats_per_token: float) -> None: ...

    def state(self) -> dict[str, Any]:
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None: ...


class Constant(_StepsOnly):
    """lr(step) = eta"""

    def __init__(self, lr: float) -> None:
        self._lr = lr

    def lr(self, step: int) -> float:
        return self._lr


class Plateau:
    """lr(step) = eta / 4^k, where k is the number of epochs without improvement over the best epoch before."""

    FACTOR = 4

    def __init__(self, lr: float) -> None:
        self._lr = lr
        self._best: float | None = None
        self._cuts = 0

    def lr(self, step: int) -> float:
        return self._lr / float(self.FACTOR**self._cuts)

    def epoch_ended(self, nats_per_token: float) -> None:
        if self._best is None or nats_per_token < self._best:
            self._best = nats_per_token
        else:
            self._cuts += 1

    def state(self) -> dict[str, Any]:
        return {"best_nats_per_token": self._best, "cuts": self._cuts}

    def load_state(self, state: Mapping[str, Any]) -> None:
        best, cuts = state.get("best_nats_per_token"), state.get("cuts")
        if not (best is None or _is_number(best)) or type(cuts) is not int or cuts < 0:
            raise CheckpointError(f"not the saved state of the schedule 'plateau': {dict(state)!r}")
        self._best, self._cuts = best, cuts


def _is_number(value: Any) -> bool:
    return type(value) is float and math.isfinite(value)


class Cosine(_StepsOnly):
    """Linear warm-up, then the full rate, then a decrease along half a cosine (Loshchilov and Hutter 2017).

        lr(s) = eta (s + 1) / W                              s < W, the warm-up
        lr(s) = eta                                          W <= s < C, with C = W + hold (S - W)
        lr(s) = eta (f + (1 - f) (1 + cos(pi p)) / 2)        p = (s - C) / (S - 1 - C), from 0 to 1

    for a run of S steps and the final share f of eta; after S steps the rate stays at f eta. The warm-up takes at most
    half of the run. The rate depends on S: if a run is resumed with more epochs, its learning rate jumps to the curve
    of the longer run.
    """

    def __init__(self, lr: float, warmup: int, total_steps: int, hold: float = 0.0, final: float = 0.02) -> None:
        self._lr = lr
        self._warmup = min(warmup, total_steps // 2)
        self._fall = self._warmup + round(hold * (total_steps - self._warmup))
        self._final = final
        self._total_steps = total_steps

    def lr(self, step: int) -> float:
        if step < self._warmup:
            return self._lr * (step + 1) / self._warmup
        passed = min(1.0, max(0, step - self._fall) / max(1, self._total_steps - 1 - self._fall))
        return self._lr * (self._final + (1 - self._final) * (1 + math.cos(math.pi * passed)) / 2)


def make_schedule(config: TrainingConfig, total_steps: int) -> Schedule:
    """The schedule that `config` selects, for a run of `total_steps` steps."""
    if config.schedule == "plateau":
        return Plateau(config.lr)
    if config.schedule == "cosine":
        return Cosine(config.lr, config.warmup, total_steps, config.hold, config.final_lr)
    return Constant(config.lr)

"""The learning rate over the course of a run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

from weft.config import TrainingConfig
from weft.errors import CheckpointError


class Schedule(Protocol):
    """A learning rate for every step, which may depend on how the epochs went."""

    def lr(self, step: int) -> float:
        """The learning rate of the update that follows `step` earlier ones."""

    def epoch_ended(self, nats_per_token: float) -> None:
        """Take note of an epoch's validation loss, or of its training loss when nothing is held out."""

    def state(self) -> dict[str, Any]:
        """What must be saved to continue, as JSON values."""

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from a saved `state()`; raises CheckpointError if it is not one."""


class _StepsOnly:
    """A schedule that depends on the step and nothing else."""

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
    """lr(step) = eta / 4^k, where k counts the epochs that ended no better than the best before them."""

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
        if not (best is None or isinstance(best, float)) or not isinstance(cuts, int):
            raise CheckpointError(f"not the saved state of the schedule 'plateau': {dict(state)!r}")
        self._best, self._cuts = best, cuts


class Cosine(_StepsOnly):
    """Linear warm-up, the full rate for a while, then half a cosine down (Loshchilov and Hutter 2017).

        lr(s) = eta (s + 1) / W                              s < W, the warm-up
        lr(s) = eta                                          W <= s < C, with C = W + hold (S - W)
        lr(s) = eta (f + (1 - f) (1 + cos(pi p)) / 2)        p = (s - C) / (S - 1 - C), from 0 to 1

    over S steps in all, f the final share of eta; after them it stays at f eta. A warm-up longer than half of the run
    is cut to half of it. The curve depends on S alone: a finished run that goes on with more epochs follows the longer
    run's curve from where it is, so its learning rate jumps up.
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
    """The schedule that `config` names, for a run of `total_steps` updates."""
    if config.schedule == "plateau":
        return Plateau(config.lr)
    if config.schedule == "cosine":
        return Cosine(config.lr, config.warmup, total_steps, config.hold, config.final_lr)
    return Constant(config.lr)

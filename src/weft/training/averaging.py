"""Averages of the weights over the course of training: smoother than any one step's, and what is kept of a run.

The optimizer goes on with the weights w as they are. Their average is what is validated, kept as the best and shipped.
With k counting updates, w_k the weights after the k-th:

    exponential    a_k = Σ_i d^(k-i) w_i / Σ_i d^(k-i)        i = 1 … k, the decay d; by a running mean
                   a_k = a_{k-1} + (1 - d) / (1 - d^k) (w_k - a_{k-1})

    triggered      a_k = Σ_i w_i / (k - K + 1)                i = K … k, since the update K at which it began

The second is NT-ASGD (Merity, Keskar and Socher 2018): averaged stochastic gradient descent (Polyak and Juditsky 1992)
that begins once the validation loss v_t of the check t (the end of an epoch, t = 0, 1, …) has been no improvement for n
checks, t > n and v_t > min(v_0 … v_{t-n-1}). Until then the weights themselves take the place of their average.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np

from weft.config import TrainingConfig
from weft.errors import CheckpointError
from weft.training.interfaces import Floats, NamedArrays
from weft.training.running_mean import move_towards


class Averaging:
    """No average: the weights are kept as they are. What averages them derives from this."""

    name: ClassVar[str] = "none"

    def __init__(self, parameters: NamedArrays) -> None:
        self._parameters = dict(parameters)
        self._average: dict[str, Floats] = {}
        self._count = 0

    def stepped(self) -> None:
        """Take in the weights after an update."""

    def epoch_ended(self, nats_per_token: float) -> bool:
        """Take note of an epoch's validation loss; whether averaging begins with the weights as they are now."""
        return False

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within the block the parameters hold their average, where there is one; afterwards what they held before."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    def arrays(self) -> dict[str, Floats]:
        """The live averages by the parameters' names; none before the first."""
        return dict(self._average)

    def state(self) -> dict[str, Any]:
        """What must be saved beside the arrays to continue, as JSON values."""
        return {}

    def load_state(self, arrays: NamedArrays, state: Mapping[str, Any]) -> None:
        """Continue from saved `arrays()` and `state()`; raises CheckpointError if they are of another model."""
        if arrays and arrays.keys() != self._parameters.keys():
            raise CheckpointError(f"the saved averages are of {', '.join(arrays)}, not of all parameters")
        for name, array in arrays.items():
            own = self._parameters[name]
            if (array.shape, array.dtype) != (own.shape, own.dtype):
                raise CheckpointError(
                    f"the saved average of {name!r} is {array.dtype} {array.shape}, expected {own.dtype} {own.shape}"
                )
        if arrays:
            self._average = {name: np.zeros_like(own) for name, own in self._parameters.items()}
            for name, average in self._average.items():
                average[...] = arrays[name]

    def _move(self, fraction: float) -> None:
        move_towards(list(self._average.values()), list(self._parameters.values()), fraction)

    def _exchange(self) -> None:
        if not self._count:
            return
        for name, average in self._average.items():
            parameter = self._parameters[name]
            held = parameter.copy()
            parameter[...] = average
            average[...] = held

    def _load_count(self, state: Mapping[str, Any]) -> None:
        count = state.get("count")
        if not isinstance(count, int) or count < 0 or bool(count) != bool(self._average):
            raise CheckpointError(f"not the saved state of the averaging {self.name!r}: {dict(state)!r}")
        self._count = count


class ExponentialAverage(Averaging):
    """The average of the last 1 / (1 - decay) steps, about; the older, the lighter."""

    name = "exponential"

    def __init__(self, parameters: NamedArrays, decay: float) -> None:
        super().__init__(parameters)
        self.decay = decay

    def stepped(self) -> None:
        if not self._average:
            self._average = {name: np.zeros_like(own) for name, own in self._parameters.items()}
        self._count += 1
        self._move((1 - self.decay) / (1 - self.decay**self._count))

    def state(self) -> dict[str, Any]:
        return {"count": self._count}

    def load_state(self, arrays: NamedArrays, state: Mapping[str, Any]) -> None:
        super().load_state(arrays, state)
        self._load_count(state)


class TriggeredAverage(Averaging):
    """NT-ASGD: the plain average since validation had not improved for `patience` checks."""

    name = "triggered"

    def __init__(self, parameters: NamedArrays, patience: int) -> None:
        super().__init__(parameters)
        self.patience = patience
        self._checks: list[float] = []

    def stepped(self) -> None:
        if self._count:
            self._count += 1
            self._move(1 / self._count)

    def epoch_ended(self, nats_per_token: float) -> bool:
        earlier = self._checks[: -self.patience]
        begins = not self._count and bool(earlier) and nats_per_token > min(earlier)
        self._checks.append(nats_per_token)
        if begins:
            self._average = {name: own.copy("K") for name, own in self._parameters.items()}
            self._count = 1
        return begins

    def state(self) -> dict[str, Any]:
        return {"count": self._count, "checks_nats_per_token": list(self._checks)}

    def load_state(self, arrays: NamedArrays, state: Mapping[str, Any]) -> None:
        super().load_state(arrays, state)
        self._load_count(state)
        checks = state.get("checks_nats_per_token")
        if not isinstance(checks, list) or not all(isinstance(check, float) for check in checks):
            raise CheckpointError(f"not the saved state of the averaging 'triggered': {dict(state)!r}")
        self._checks = list(checks)


def make_averaging(config: TrainingConfig, parameters: NamedArrays) -> Averaging:
    """The averaging that `config` asks for, of `parameters`."""
    if config.ema:
        return ExponentialAverage(parameters, config.ema)
    if config.average_after is not None:
        return TriggeredAverage(parameters, config.average_after)
    return Averaging(parameters)


def averaging_name(config: TrainingConfig) -> str:
    """What a checkpoint calls the averaging that `config` asks for."""
    return make_averaging(config, {}).name

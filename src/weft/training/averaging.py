"""Averages of the weights over the steps of training, which vary less than the weights of a single step.

The optimizer updates the weights w. Their average is validated and saved as the trained model. With w_k the weights
after update k:

    exponential    a_k = Σ_i d^(k-i) w_i / Σ_i d^(k-i)        i = 1 … k, d the decay; computed as a running mean
                   a_k = a_{k-1} + (1 - d) / (1 - d^k) (w_k - a_{k-1})

    triggered      a_k = Σ_i w_i / (k - K + 1)                i = K … k, K the update at which averaging began

The second is NT-ASGD (Merity, Keskar and Socher 2018), a form of averaged stochastic gradient descent (Polyak and
Juditsky 1992). With v_t the validation loss at the end of epoch t = 0, 1, …, averaging begins when there has been no
improvement for n epochs: t > n and v_t > min(v_0 … v_{t-n-1}). Before that, the weights are used without averaging.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np

from weft.config import TrainingConfig
from weft.errors import CheckpointError
from weft.training.interfaces import Floats, NamedArrays
from weft.training.running_mean import move_towards


class Averaging:
    """No averaging: the trained model has the weights of the last step. Base class of the averages."""

    name: ClassVar[str] = "none"

    def __init__(self, parameters: NamedArrays) -> None:
        self._parameters = dict(parameters)
        self._average: dict[str, Floats] = {}
        self._count = 0

    def stepped(self) -> None:
        """Update the average by the weights after an update."""

    def epoch_ended(self, nats_per_token: float) -> bool:
        """Record the validation loss of an epoch. Returns whether averaging begins with the current weights."""
        return False

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """A context manager in which the parameters have the values of their averages, if there are any."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    def arrays(self) -> dict[str, Floats]:
        """The averages by name of the parameter, not copied; empty before averaging begins."""
        return dict(self._average)

    def state(self) -> dict[str, Any]:
        """JSON values that must be saved with the arrays to continue."""
        return {}

    def load_state(self, arrays: NamedArrays, state: Mapping[str, Any]) -> None:
        """Continue from saved `arrays()` and `state()`. Raises CheckpointError if they do not fit."""
        if arrays and arrays.keys() != self._parameters.keys():
            raise CheckpointError(f"the saved averages are of {', '.join(arrays)}, not of all parameters")
        for name, array in arrays.items():
            expected = self._parameters[name]
            if (array.shape, array.dtype) != (expected.shape, expected.dtype):
                raise CheckpointError(
                    f"the saved average of {name!r} is {array.dtype} {array.shape}, "
                    f"expected {expected.dtype} {expected.shape}"
                )
        if arrays:
            self._average = {name: np.zeros_like(parameter) for name, parameter in self._parameters.items()}
            for name, average in self._average.items():
                average[...] = arrays[name]

    def _move(self, fraction: float) -> None:
        move_towards(list(self._average.values()), list(self._parameters.values()), fraction)

    def _exchange(self) -> None:
        if not self._count:
            return
        for name, average in self._average.items():
            parameter = self._parameters[name]
            weights = parameter.copy()
            parameter[...] = average
            average[...] = weights

    def _load_count(self, state: Mapping[str, Any]) -> None:
        count = state.get("count")
        if not isinstance(count, int) or count < 0 or bool(count) != bool(self._average):
            raise CheckpointError(f"not the saved state of the averaging {self.name!r}: {dict(state)!r}")
        self._count = count


class ExponentialAverage(Averaging):
    """An exponential average of the weights, over about the last 1 / (1 - decay) steps."""

    name = "exponential"

    def __init__(self, parameters: NamedArrays, decay: float) -> None:
        super().__init__(parameters)
        self.decay = decay

    def stepped(self) -> None:
        if not self._average:
            self._average = {name: np.zeros_like(parameter) for name, parameter in self._parameters.items()}
        self._count += 1
        self._move((1 - self.decay) / (1 - self.decay**self._count))

    def state(self) -> dict[str, Any]:
        return {"count": self._count}

    def load_state(self, arrays: NamedArrays, state: Mapping[str, Any]) -> None:
        super().load_state(arrays, state)
        self._load_count(state)


class TriggeredAverage(Averaging):
    """NT-ASGD: the mean of the weights since validation has not improved for `patience` epochs."""

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
            self._average = {name: parameter.copy("K") for name, parameter in self._parameters.items()}
            self._count = 1
        return begins

    def state(self) -> dict[str, Any]:
        return {"count": self._count, "checks_nats_per_token": list(self._checks)}

    def load_state(self, arrays: NamedArrays, state: Mapping[str, Any]) -> None:
        super().load_state(arrays, state)
        self._load_count(state)
        checks = state.get("checks_nats_per_token")
        if not isinstance(checks, list) or not all(type(check) is float and math.isfinite(check) for check in checks):
            raise CheckpointError(f"not the saved state of the averaging 'triggered': {dict(state)!r}")
        self._checks = list(checks)


def make_averaging(config: TrainingConfig, parameters: NamedArrays) -> Averaging:
    """The averaging of `parameters` that `config` selects."""
    if config.ema:
        return ExponentialAverage(parameters, config.ema)
    if config.average_after is not None:
        return TriggeredAverage(parameters, config.average_after)
    return Averaging(parameters)


def averaging_name(config: TrainingConfig) -> str:
    """The name, in a checkpoint, of the averaging that `config` selects."""
    return make_averaging(config, {}).name

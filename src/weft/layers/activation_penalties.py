"""Penalties on large activations and on large changes from step to step (Merity, McCann & Socher 2017).

    activation penalty            α mean(y²)                           dy = 2α y / size
    temporal activation penalty   β mean((h_t - h_{t-1})²)             dh_t = 2β (δ_t - δ_{t+1}) / size of δ

y and h (N, T, H); δ_t = h_t - h_{t-1} for t = 1 … T-1, and zero for t = 0 and t = T: the step before the block is not
known. Means are over all elements, so that α and β weigh against the mean nats per token in blocks of any size.
"""

from __future__ import annotations

import math

from weft.backends import Array, backend_of
from weft.errors import InputError


class ActivationPenalty:
    """`forward(ys) -> α mean(y²)`, a float; `backward() -> dys`. Raises InputError for a weight α below 0."""

    def __init__(self, weight: float) -> None:
        self.weight = _checked_weight(weight)

    def __repr__(self) -> str:
        return f"ActivationPenalty({self.weight})"

    def forward(self, ys: Array) -> float:
        self._ys = ys
        return self.weight * _mean_square(ys)

    def backward(self) -> Array:
        return self._ys * (2 * self.weight / _size(self._ys))


class TemporalPenalty:
    """`forward(hs) -> β mean((h_t - h_{t-1})²)`, a float, 0 for a single step; `backward() -> dhs`.

    Raises InputError for a weight β below 0.
    """

    def __init__(self, weight: float) -> None:
        self.weight = _checked_weight(weight)

    def __repr__(self) -> str:
        return f"TemporalPenalty({self.weight})"

    def forward(self, hs: Array) -> float:
        self._changes = hs[:, 1:, :] - hs[:, :-1, :]
        return self.weight * _mean_square(self._changes)

    def backward(self) -> Array:
        xp = backend_of(self._changes).xp
        dchanges = self._changes * (2 * self.weight / _size(self._changes))
        zero = xp.zeros((dchanges.shape[0], 1, dchanges.shape[2]), dtype=dchanges.dtype)
        return xp.concat((zero, dchanges), axis=1) - xp.concat((dchanges, zero), axis=1)


def _mean_square(values: Array) -> float:
    xp = backend_of(values).xp
    return float(xp.sum(values * values, dtype=xp.float64)) / _size(values)


def _size(values: Array) -> int:
    """Number of elements, at least 1, so that the mean square of an empty array is 0."""
    size: int = math.prod(values.shape)
    return max(1, size)


def _checked_weight(weight: float) -> float:
    if not weight >= 0:
        raise InputError(f"the weight of an activation penalty must be at least 0, got {weight!r}")
    return weight

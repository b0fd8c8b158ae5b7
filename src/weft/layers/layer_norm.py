"""Layer normalisation (Ba, Kiros & Hinton 2016): every row is centred and scaled by its own mean and deviation.

    v̂ = (v - μ) / σ          μ = mean(v)          σ = √(mean((v - μ)²) + ε)

Backward, by the chain rule through v itself, through μ and through σ, one term each:

    dv = (dv̂ - mean(dv̂) - v̂ mean(dv̂ * v̂)) / σ

v (R, M); means are over the M elements of a row. The gains and biases are parameters of the cells.
"""

from __future__ import annotations

from typing import Any

from weft.backends import Array

EPSILON = 1e-5
"""ε: keeps σ above zero if all elements of a row are equal, as before the first token."""


def normalized(xp: Any, v: Array) -> tuple[Array, Array]:
    """v (R, M) -> v̂ (R, M) and 1/σ (R, 1)."""
    centred = v - xp.mean(v, axis=1, keepdims=True)
    inverse = 1 / xp.sqrt(xp.mean(centred * centred, axis=1, keepdims=True) + EPSILON)
    return centred * inverse, inverse


def normalized_backward(xp: Any, dv_hat: Array, v_hat: Array, inverse: Array) -> Array:
    """dv (R, M) from dv̂ (R, M) and the two results of `normalized`."""
    along = xp.mean(dv_hat * v_hat, axis=1, keepdims=True)
    return (dv_hat - xp.mean(dv_hat, axis=1, keepdims=True) - v_hat * along) * inverse

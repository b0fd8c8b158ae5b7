"""Layer normalisation (Ba, Kiros & Hinton 2016): every row is centred and scaled by its own mean and deviation.

    v̂ = (v - μ) / σ          μ = mean(v)          σ = √(mean((v - μ)²) + ε)

Backward. Through v itself dv̂ arrives divided by σ; through μ it is subtracted from every element alike; through σ along
v̂. What is left of dv̂ has mean 0 and, but for ε, nothing of v̂:

    dv = (dv̂ - mean(dv̂) - v̂ mean(dv̂ * v̂)) / σ

Means over the elements of a row, v (R, M). Gains and biases belong to the cells.
"""

from __future__ import annotations

from typing import Any

from weft.backends import Array

EPSILON = 1e-5
"""ε: keeps σ from zero where all elements are alike, as before the first word."""


def normalized(xp: Any, v: Array) -> tuple[Array, Array]:
    """v (R, M) -> v̂ (R, M) and 1/σ (R, 1)."""
    centred = v - xp.mean(v, axis=1, keepdims=True)
    inverse = 1 / xp.sqrt(xp.mean(centred * centred, axis=1, keepdims=True) + EPSILON)
    return centred * inverse, inverse


def normalized_backward(xp: Any, dv_hat: Array, v_hat: Array, inverse: Array) -> Array:
    """dv (R, M) from dv̂ and what `normalized` gave."""
    along = xp.mean(dv_hat * v_hat, axis=1, keepdims=True)
    return (dv_hat - xp.mean(dv_hat, axis=1, keepdims=True) - v_hat * along) * inverse

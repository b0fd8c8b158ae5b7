"""What follows a step's products: the gates of some vectors of hidden units, and their new state.

The gates of `WIDTH` units lie side by side, [units][gate][WIDTH], so that a chunk of the product has them all. The
equations are those of `weft.layers`; everything is an address of float32.
"""

from __future__ import annotations

from typing import Any

from weft.backends.kernels.jit.compile import full_vectors, inlined
from weft.backends.kernels.jit.vector_math import ONE, sigmoid, tanh
from weft.backends.kernels.streaming.skinny_gemm import WIDTH


@inlined
def rnn_units(a: Any, h_next: Any) -> None:
    """h_t = tanh a."""
    full_vectors()
    for i in range(WIDTH):
        h_next[i] = tanh(a[i])


@inlined
def lstm_units(a: Any, c_prev: Any, c_next: Any, h_next: Any) -> None:
    """f, g, i, o = σ, tanh, σ, σ of a; c_t = f * c_{t-1} + g * i; h_t = o * tanh c_t."""
    full_vectors()
    for i in range(WIDTH):
        f, g = sigmoid(a[i]), tanh(a[WIDTH + i])
        c_next[i] = f * c_prev[i] + g * sigmoid(a[2 * WIDTH + i])
    for i in range(WIDTH):
        h_next[i] = sigmoid(a[3 * WIDTH + i]) * tanh(c_next[i])


@inlined
def gru_gates(a: Any, h_prev: Any, z: Any, seen: Any) -> None:
    """z, r = σ of a; what the candidate sees is r * h_{t-1}."""
    full_vectors()
    for i in range(WIDTH):
        z[i] = sigmoid(a[i])
    for i in range(WIDTH):
        seen[i] = sigmoid(a[WIDTH + i]) * h_prev[i]


@inlined
def gru_units(a: Any, h_prev: Any, z: Any, h_next: Any) -> None:
    """h_t = (1 - z) * h_{t-1} + z * tanh a."""
    full_vectors()
    for i in range(WIDTH):
        h_next[i] = (ONE - z[i]) * h_prev[i] + z[i] * tanh(a[i])

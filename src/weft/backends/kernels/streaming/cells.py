"""The streaming cells: what each does with the gate sums of WIDTH hidden units.

The equations are those of `weft.layers.rnn`, `weft.layers.lstm` and `weft.layers.gru`. The sums a of the gates of WIDTH
units are contiguous, [gate][WIDTH], so that the product of one chunk has all of them.
"""

from __future__ import annotations

from typing import Any

from weft.backends.kernels.jit.compile import full_vectors, inlined
from weft.backends.kernels.jit.vector_math import ONE, sigmoid, tanh
from weft.backends.kernels.streaming.cell import CellPhase, StreamingCell, register, registered_cell
from weft.backends.kernels.streaming.plan import WIDTH


@inlined
def rnn_update(a: Any, before: Any, after: Any, scratch: Any) -> None:
    """h_t = tanh a."""
    full_vectors()
    h_next = after[0]
    for i in range(WIDTH):
        h_next[i] = tanh(a[i])


@inlined
def lstm_update(a: Any, before: Any, after: Any, scratch: Any) -> None:
    """f, g, i, o = σ, tanh, σ, σ of a; c_t = f * c_{t-1} + g * i; h_t = o * tanh c_t."""
    full_vectors()
    c_prev, (h_next, c_next) = before[1], after
    for i in range(WIDTH):
        f, g = sigmoid(a[i]), tanh(a[WIDTH + i])
        c_next[i] = f * c_prev[i] + g * sigmoid(a[2 * WIDTH + i])
    for i in range(WIDTH):
        h_next[i] = sigmoid(a[3 * WIDTH + i]) * tanh(c_next[i])


@inlined
def gru_gates_update(a: Any, before: Any, after: Any, scratch: Any) -> None:
    """z, r = σ of a; the reset state r * h_{t-1} is what W_h of the candidate is multiplied with."""
    full_vectors()
    h_prev, (z, reset_state) = before[0], scratch
    for i in range(WIDTH):
        z[i] = sigmoid(a[i])
    for i in range(WIDTH):
        reset_state[i] = sigmoid(a[WIDTH + i]) * h_prev[i]


@inlined
def gru_candidate_update(a: Any, before: Any, after: Any, scratch: Any) -> None:
    """h_t = (1 - z) * h_{t-1} + z * tanh a."""
    full_vectors()
    h_prev, h_next, z = before[0], after[0], scratch[0]
    for i in range(WIDTH):
        h_next[i] = (ONE - z[i]) * h_prev[i] + z[i] * tanh(a[i])


register(StreamingCell("rnn", state_parts=1, phases=(CellPhase((0,), rnn_update),)))
register(StreamingCell("lstm", state_parts=2, phases=(CellPhase((0, 1, 2, 3), lstm_update),)))
register(
    StreamingCell(
        "gru",
        state_parts=1,
        scratch=2,
        phases=(CellPhase((0, 1), gru_gates_update), CellPhase((2,), gru_candidate_update, recurrent=1)),
    )
)


def streaming_cell(name: str) -> StreamingCell | None:
    """The cell of that name, or None if it has no streaming kernel."""
    return registered_cell(name)

"""The inputs of a block of which few differ: those, and which of them stands where.

    xs[n, t] = values[places[n, t]]

A block of characters has thousands of inputs and some dozens of different ones. What a layer multiplies its inputs with
can be multiplied with each of these once, and their gradients be added up before they are multiplied.
"""

from __future__ import annotations

from weft.backends.backend import Array


class DeduplicatedInputs:
    """`values` (U, D), and for inputs of shape (N, T, D) the row of each, `places` (N, T)."""

    def __init__(self, values: Array, places: Array) -> None:
        self.values, self.places = values, places

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the inputs."""
        return (*self.places.shape, self.values.shape[1])

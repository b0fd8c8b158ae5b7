"""Inputs of a block with each distinct row stored once.

    xs[n, t] = values[places[n, t]]          values = W[rows]

A block of characters has thousands of inputs and a few dozen distinct ones. A layer multiplies each distinct input by
W_x once and copies the product to all its places. Backward, it first sums the gradient over the places of each value
and then multiplies the sums.
"""

from __future__ import annotations

from weft.backends.array_types import Array


class DeduplicatedInputs:
    """`values` (U, D) are the `rows` (U,) of a matrix, ascending; input (n, t) is `values[places[n, t]]`."""

    def __init__(self, rows: Array, values: Array, places: Array) -> None:
        self.rows, self.values, self.places = rows, values, places

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the inputs, (N, T, D)."""
        return (*self.places.shape, self.values.shape[1])

"""The gradient of a matrix if a step uses few of its rows: the values of those rows and their indices.

A block of N·T tokens uses at most N·T of an embedding's V rows. The gradient of all other rows is zero and not stored.
"""

from __future__ import annotations

from weft.backends import Array, backend_of


class RowGradient:
    """The gradient of a matrix of `shape` (V, D): `values` (U, D) at the ascending `rows` (U,), zero elsewhere."""

    def __init__(self, shape: tuple[int, ...], rows: Array, values: Array) -> None:
        self.shape, self.rows, self.values = shape, rows, values

    def __repr__(self) -> str:
        return f"RowGradient({self.rows.shape[0]} rows of {tuple(self.shape)})"

    def between(self, first: int, last: int) -> Array:
        """Rows `first` to `last` of the gradient as an array (last - first, D)."""
        backend = backend_of(self.values)
        within = (self.rows >= first) & (self.rows < last)
        dense = backend.xp.zeros((last - first, self.shape[1]), dtype=self.values.dtype)
        dense[self.rows[within] - first] = self.values[within]
        return dense

    def plus(self, other: RowGradient) -> RowGradient:
        """The sum of both gradients; its rows are the union of theirs."""
        backend = backend_of(self.values)
        rows, values = (backend.xp.concat(both) for both in ((self.rows, other.rows), (self.values, other.values)))
        return RowGradient(self.shape, *backend.sum_rows(rows, values))

    def moved_towards(self, other: RowGradient, fraction: float) -> RowGradient:
        """(1 - fraction) · self + fraction · other; its rows are the union of theirs."""
        backend = backend_of(self.values)
        xp = backend.xp
        rows, place = xp.unique_inverse(xp.concat((self.rows, other.rows)))
        values = xp.zeros((rows.shape[0], *self.shape[1:]), dtype=self.values.dtype)
        backend.add_rows(values, place, xp.concat(((1 - fraction) * self.values, fraction * other.values)))
        return RowGradient(self.shape, rows, values)


Gradient = Array | RowGradient
"""The gradient of a parameter, stored in full or by rows."""


def dense(gradient: Gradient) -> Array:
    """The gradient as an array of the parameter's shape."""
    return gradient.between(0, gradient.shape[0]) if isinstance(gradient, RowGradient) else gradient

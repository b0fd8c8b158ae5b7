"""What a backend provides: an array namespace and the few operations that the array standard lacks.

The arithmetic of the layers is written once, in the functions of the Python array API standard
(https://data-apis.org/array-api/), reached through `Backend.xp`. A backend adds operations that the standard has no
function for, and may offer fused operations, which do whole blocks of that arithmetic in one call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from weft.backends.array_types import Array
from weft.backends.fused_operations import FusedOperations

if TYPE_CHECKING:
    import numpy as np


class Backend(Protocol):
    """The operations of one array library that the layers use."""

    name: str
    xp: Any
    """The array library's functions under the names of the array API standard."""

    @property
    def fused(self) -> FusedOperations | None:
        """The fused operations that are switched on for the calling thread, or None."""

    def owns(self, array: Array) -> bool:
        """True if `array` belongs to this backend's array library."""

    def asarray(self, values: np.ndarray[Any, Any]) -> Array:
        """A NumPy array as an array of this backend; the two may share memory."""

    def to_numpy(self, array: Array) -> np.ndarray[Any, Any]:
        """An array of this backend as a NumPy array; the two may share memory."""

    def bounds(self, numbers: Array) -> tuple[int, int]:
        """The lowest and the highest of an array of integers that has at least one element."""

    def total(self, numbers: Array) -> float:
        """The sum of all elements, accumulated in float64."""

    def add_rows(self, target: Array, rows: Array, values: Array) -> None:
        """target[rows[k]] += values[k] for every k, in place; values at repeated rows add up."""

    def take_rows(self, W: Array, rows: Array) -> Array:
        """W[rows] (K, D) for W (V, D) and rows (K,), all in [0, V)."""

    def sum_rows(self, rows: Array, values: Array) -> tuple[Array, Array]:
        """The distinct numbers in `rows` (K,), ascending (U,), and for each the sum of its `values` (K, D): (U, D)."""

    def softmax_loss(self, scores: Array, targets: Array, ignore_label: int) -> tuple[Array, Array]:
        """Negative log-likelihood and its gradient, row by row.

        scores (R, V), targets (R,) -> nats (R,) = ln Σ_v exp(scores_v) - scores_target, and the gradient of sum(nats)
        by the scores, (R, V) = softmax(scores) - onehot(target). A row whose target is `ignore_label` has zero nats
        and a zero gradient. `scores` is not changed.
        """

    def target_nats(self, scores: Array, targets: Array, ignore_label: int) -> Array:
        """The first result of `softmax_loss` alone."""

    def keep_mask(self, shape: tuple[int, ...], ratio: float, rng: np.random.Generator, dtype: Any) -> Array:
        """A dropout mask: 0 with probability `ratio`, otherwise 1 / (1 - ratio)."""

    def rounding(self, dtype: Any) -> float:
        """Tolerance, relative to max(1, |x|), within which two computations of the same state agree (a few ulps)."""

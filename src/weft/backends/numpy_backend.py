"""The default backend: NumPy on the processor."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import array_api_compat.numpy as array_namespace
import numpy as np
from numpy.typing import NDArray

from weft.backends.numpy_fused import NumpyFused

Floats = NDArray[Any]
Integers = NDArray[Any]


class NumpyBackend:
    """Arrays are `numpy.ndarray`; see `weft.backends.backend.Backend` for what each operation does."""

    name = "numpy"
    xp: Any = array_namespace

    def __init__(self) -> None:
        self.active: ContextVar[NumpyFused | None] = ContextVar("fused operations", default=None)

    def __reduce__(self) -> str:
        """A copy, and what another process unpickles, is the one instance of this module: `default_backend`."""
        return "default_backend"

    @property
    def fused(self) -> NumpyFused | None:
        return self.active.get()

    def owns(self, array: object) -> bool:
        return isinstance(array, np.ndarray)

    def asarray(self, values: NDArray[Any]) -> NDArray[Any]:
        return values

    def to_numpy(self, array: NDArray[Any]) -> NDArray[Any]:
        return array

    def bounds(self, numbers: Integers) -> tuple[int, int]:
        fused = self.fused
        if fused and numbers.dtype == np.int64 and numbers.size:
            return fused.rows.bounds(numbers)
        return int(self.xp.min(numbers)), int(self.xp.max(numbers))

    def total(self, numbers: Floats) -> float:
        fused = self.fused
        if fused and numbers.dtype == np.float32 and numbers.flags.c_contiguous:
            return fused.rows.total(numbers)
        return float(self.xp.sum(numbers, dtype=self.xp.float64))

    def add_rows(self, target: Floats, rows: Integers, values: Floats) -> None:
        fused = self.fused
        if fused and target.dtype == values.dtype == np.float32:
            return fused.rows.add_rows(target, rows, values)
        if not len(rows):
            return None
        # Sorting brings equal rows together; reduceat then adds each run at once, several times faster than add.at.
        order = np.argsort(rows, kind="stable")
        ordered = rows[order]
        starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
        target[ordered[starts]] += np.add.reduceat(values[order], starts, axis=0)
        return None

    def take_rows(self, W: Floats, rows: Integers) -> Floats:
        fused = self.fused
        if fused and W.dtype == np.float32 and W.flags.c_contiguous:
            return fused.rows.take_rows(W, rows)
        taken: Floats = self.xp.take(W, rows, axis=0)
        return taken

    def sum_rows(self, rows: Integers, values: Floats) -> tuple[Integers, Floats]:
        distinct, places = self._unique(rows)
        sums = np.zeros((len(distinct), values.shape[1]), values.dtype)
        self.add_rows(sums, places, values)
        return distinct, sums

    def softmax_loss(self, scores: Floats, targets: Integers, ignore_label: int) -> tuple[Floats, Floats]:
        rows, labels, ignored = _labels(targets, ignore_label)
        dscores = scores - scores.max(axis=1, keepdims=True)
        target_scores = dscores[rows, labels]
        np.exp(dscores, out=dscores)
        sums = dscores.sum(axis=1, keepdims=True)
        nats = np.log(sums[:, 0]) - target_scores
        dscores /= sums
        dscores[rows, labels] -= 1
        nats[ignored] = 0
        dscores[ignored] = 0
        return nats, dscores

    def target_nats(self, scores: Floats, targets: Integers, ignore_label: int) -> Floats:
        rows, labels, ignored = _labels(targets, ignore_label)
        shifted = scores - scores.max(axis=1, keepdims=True)
        target_scores = shifted[rows, labels]
        nats: Floats = np.log(np.exp(shifted, out=shifted).sum(axis=1)) - target_scores
        nats[ignored] = 0
        return nats

    def keep_mask(self, shape: tuple[int, ...], ratio: float, rng: np.random.Generator, dtype: Any) -> Floats:
        mask: Floats = (rng.random(shape, dtype=np.float32) >= ratio).astype(dtype)
        mask /= 1 - ratio
        return mask

    def rounding(self, dtype: Any) -> float:
        fused = self.fused
        if fused and dtype == np.float32:
            return fused.rounding
        return 8 * float(np.finfo(dtype).eps)

    def _unique(self, rows: Integers) -> tuple[Integers, Integers]:
        """The distinct numbers in `rows` (K,), ascending (U,), and the index (K,) of each row's number among them."""
        fused = self.fused
        if fused:
            return fused.rows.unique(rows, self.bounds(rows)[1] + 1 if len(rows) else 0)
        return np.unique(rows, return_inverse=True)


default_backend = NumpyBackend()


def _labels(targets: Integers, ignore_label: int) -> tuple[Integers, Integers, NDArray[np.bool_]]:
    ignored = targets == ignore_label
    return np.arange(targets.shape[0]), np.where(ignored, 0, targets), ignored

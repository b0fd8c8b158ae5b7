"""Updates of all parameters in one pass, averages, the gradient's norm and its scaling, additions of embedding rows.

The equations are those of `weft.training.optimizer`, `weft.training.running_mean` and `weft.training.gradients`.
Written as array arithmetic every operation reads and writes memory once more, and calls NumPy once more for every
parameter; here one call goes through all arrays, and each is read once and written once. The elements of all arrays,
one array after the other, are shared out over the workers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numba import carray
from numpy.typing import NDArray

from weft.backends.kernels.atomics import floats_at
from weft.backends.kernels.compiling import compiled, within_kernels
from weft.backends.kernels.row_updates import adamw_rows, add_rows, distinct, take_rows, without_traces
from weft.backends.workers import Workers, split
from weft.errors import InputError

Floats = NDArray[np.float32]
Arrays = Sequence[Floats]

SMALL = 100_000
"""Elements below which all arrays are left to one worker."""

LANES = 64
F = np.float32


class FusedUpdate:
    """Parameter updates for float32; the arrays of one parameter have one shape and one memory order."""

    def __init__(self, workers: Workers) -> None:
        self.workers = workers

    def squared_norm(self, arrays: Arrays) -> float:
        """The sum of the squares of all elements, in float64 over float32 partial sums; not finite if any is not."""
        places, sizes = _places(arrays)
        parts = np.zeros(self.workers.count)

        def work(first: int, last: int, number: int) -> None:
            parts[number] = _sum_of_squares(places, sizes, first, last)

        self._over(sizes, work)
        return float(parts.sum())

    def scale(self, arrays: Arrays, factor: float) -> None:
        """array <- factor · array"""
        places, sizes = _places(arrays)
        self._over(sizes, lambda first, last, _number: _scale(places, sizes, first, last, F(factor)))

    def move_towards(self, arrays: Arrays, targets: Arrays, fraction: float) -> None:
        """array <- array + fraction · (target - array)"""
        places, sizes = _places(arrays, targets)
        self._over(sizes, lambda first, last, _number: _move_towards(places, sizes, first, last, F(fraction)))

    def sgd_towards(self, ws: Arrays, gs: Arrays, ts: Arrays, lr: float, decay: float) -> None:
        """w <- w - lr g + decay (t - w)"""
        places, sizes = _places(ws, gs, ts)
        self._over(sizes, lambda first, last, _number: _sgd_towards(places, sizes, first, last, F(lr), F(decay)))

    def sgd(self, ws: Arrays, gs: Arrays, lr: float) -> None:
        """w <- w - lr g"""
        places, sizes = _places(ws, gs)
        self._over(sizes, lambda first, last, _number: _sgd(places, sizes, first, last, F(lr)))

    def rms_towards(
        self, ws: Arrays, gs: Arrays, ts: Arrays, roots: Arrays, lr: float, eps: float, decay: float
    ) -> None:
        """w <- w - lr g / (root + eps) + min(decay root, 1) (t - w)"""
        places, sizes = _places(ws, gs, ts, roots)
        numbers = (F(lr), F(eps), F(decay))
        self._over(sizes, lambda first, last, _number: _rms_towards(places, sizes, first, last, *numbers))

    def momentum(self, ws: Arrays, gs: Arrays, vs: Arrays, mu: float, lr: float, factor: float) -> None:
        """v <- mu v + factor g, w <- w - lr v"""
        places, sizes = _places(ws, gs, vs)
        numbers = (F(mu), F(lr), F(factor))
        self._over(sizes, lambda first, last, _number: _momentum(places, sizes, first, last, *numbers))

    def adamw(
        self,
        ws: Arrays,
        gs: Arrays,
        ms: Arrays,
        vs: Arrays,
        betas: tuple[float, float],
        rate: float,
        root_correction: float,
        eps: float,
        decays: Sequence[float],
        factor: float,
    ) -> None:
        """g <- factor g; m and v move towards g and g²; w <- (1 - decay) w - rate m / (√v / root_correction + eps)"""
        places, sizes = _places(ws, gs, ms, vs)
        keep = (1 - np.array(decays)).astype(F)
        numbers = (
            F(1 - betas[0]),
            F(betas[1]),
            F(1 - betas[1]),
            F(rate),
            F(1 / root_correction),
            F(eps),
            F(factor),
            keep,
        )
        self._over(sizes, lambda first, last, _number: _adamw(places, sizes, first, last, *numbers))

    def adamw_rows(
        self,
        w: Floats,
        rows: NDArray[Any],
        values: Floats,
        m: Floats,
        v: Floats,
        betas: tuple[float, float],
        rate: float,
        root_correction: float,
        eps: float,
        decay: float,
        factor: float,
    ) -> None:
        """`adamw` of one matrix (V, D) whose g is `values` (U, D) at the `rows` (U,), ascending, and zero elsewhere."""
        towards, beta, rest = F(1 - betas[0]), F(betas[1]), F(1 - betas[1])
        numbers = (towards, beta, rest, F(rate), F(1 / root_correction), F(eps), F(factor), F(1 - decay))
        count = self.workers.count if w.size >= SMALL else 1

        def task(own: slice) -> Callable[[], None]:
            k = int(np.searchsorted(rows, own.start))
            return lambda: adamw_rows(w, rows, values, k, m, v, own.start, own.stop, *numbers)

        self.workers.run([task(own) for own in split(len(w), count)])

    def subtract_rows(self, target: Floats, rows: NDArray[Any], values: Floats, factor: float) -> None:
        """target[rows[k]] -= factor · values[k] for every k, in this order."""
        add_rows(target, rows, values, F(-factor))

    def add_rows(self, target: Floats, rows: NDArray[Any], values: Floats) -> None:
        """target[rows[k]] += values[k] for every k, in this order."""
        add_rows(target, rows, values, F(1))

    def distinct(self, ids: NDArray[Any], count: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """The different numbers among ids (K,), all below `count`, ascending, and the place of each id among them."""
        return distinct(ids, count)  # type: ignore[no-any-return]

    def take_rows(self, W: Floats, rows: NDArray[Any]) -> Floats:
        """W[rows]"""
        return take_rows(W, rows)  # type: ignore[no-any-return]

    def _over(self, sizes: NDArray[np.int64], work: Callable[[int, int, int], Any]) -> None:
        size = int(sizes.sum())
        if size < SMALL:
            work(0, size, 0)
            return
        shares = split(size, self.workers.count)

        def task(number: int) -> Callable[[], None]:
            return lambda: work(shares[number].start, shares[number].stop, number)

        self.workers.run([task(number) for number in range(len(shares))])


def _places(*columns: Arrays) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The addresses of arrays that belong together, a row each (n, columns), and their sizes (n,)."""
    places = np.empty((len(columns[0]), len(columns)), np.int64)
    for row, arrays in enumerate(zip(*columns, strict=True)):
        first = arrays[0]
        for column, array in enumerate(arrays):
            if array.dtype != F or array.strides != first.strides or array.shape != first.shape:
                raise InputError("a parameter, its gradient and the optimizer's memory of it must be arrays alike")
            if not (array.flags.c_contiguous or array.flags.f_contiguous):
                raise InputError("parameters and gradients must be contiguous arrays")
            places[row, column] = address(array)
    return places, np.array([array.size for array in columns[0]], np.int64)


@compiled
def address(array: Any) -> Any:
    """Where an array's data begins; asking NumPy takes six times as long."""
    return array.ctypes.data


@within_kernels
def part(places: Any, sizes: Any, row: Any, column: Any, start: Any, first: Any, last: Any) -> Any:
    """Of the array at that place, whose elements count from `start`, those from `first` to `last`."""
    skipped = max(first - start, 0)
    count = max(min(last - start, sizes[row]) - skipped, 0)
    return carray(floats_at(places[row, column] + 4 * skipped), count)


@compiled
def _sum_of_squares(places: Any, sizes: Any, first: Any, last: Any) -> float:
    total, start = 0.0, 0
    lanes = np.zeros(LANES, np.float32)
    for row in range(sizes.size):
        x = part(places, sizes, row, 0, start, first, last)
        whole = x.size // LANES * LANES
        for block in range(0, whole, LANES * LANES):
            # Sums in float32 stay short, so that little is lost to rounding.
            some = x[block : min(block + LANES * LANES, whole)]
            lanes[:] = 0
            for j in range(some.size // LANES):
                for k in range(LANES):
                    lanes[k] += some[j * LANES + k] * some[j * LANES + k]
            for k in range(LANES):
                total += lanes[k]
        for j in range(whole, x.size):
            total += x[j] * x[j]
        start += sizes[row]
    return total


@compiled
def _scale(places: Any, sizes: Any, first: Any, last: Any, factor: Any) -> None:
    start = 0
    for row in range(sizes.size):
        x = part(places, sizes, row, 0, start, first, last)
        for j in range(x.size):
            x[j] *= factor
        start += sizes[row]


@compiled
def _move_towards(places: Any, sizes: Any, first: Any, last: Any, fraction: Any) -> None:
    start = 0
    for row in range(sizes.size):
        x, y = part(places, sizes, row, 0, start, first, last), part(places, sizes, row, 1, start, first, last)
        for j in range(x.size):
            x[j] += fraction * (y[j] - x[j])
        start += sizes[row]


@compiled
def _sgd(places: Any, sizes: Any, first: Any, last: Any, lr: Any) -> None:
    start = 0
    for row in range(sizes.size):
        w, g = part(places, sizes, row, 0, start, first, last), part(places, sizes, row, 1, start, first, last)
        for j in range(w.size):
            w[j] -= lr * g[j]
        start += sizes[row]


@compiled
def _sgd_towards(places: Any, sizes: Any, first: Any, last: Any, lr: Any, decay: Any) -> None:
    start = 0
    for row in range(sizes.size):
        w, g = part(places, sizes, row, 0, start, first, last), part(places, sizes, row, 1, start, first, last)
        t = part(places, sizes, row, 2, start, first, last)
        for j in range(w.size):
            w[j] += decay * (t[j] - w[j]) - lr * g[j]
        start += sizes[row]


@compiled
def _rms_towards(places: Any, sizes: Any, first: Any, last: Any, lr: Any, eps: Any, decay: Any) -> None:
    start = 0
    for row in range(sizes.size):
        w, g = part(places, sizes, row, 0, start, first, last), part(places, sizes, row, 1, start, first, last)
        t, root = part(places, sizes, row, 2, start, first, last), part(places, sizes, row, 3, start, first, last)
        for j in range(w.size):
            w[j] += min(decay * root[j], np.float32(1)) * (t[j] - w[j]) - lr * g[j] / (root[j] + eps)
        start += sizes[row]


@compiled
def _momentum(places: Any, sizes: Any, first: Any, last: Any, mu: Any, lr: Any, factor: Any) -> None:
    start = 0
    for row in range(sizes.size):
        w, g = part(places, sizes, row, 0, start, first, last), part(places, sizes, row, 1, start, first, last)
        v = part(places, sizes, row, 2, start, first, last)
        for j in range(w.size):
            v[j] = without_traces(mu * v[j] + factor * g[j])
            w[j] -= lr * v[j]
        start += sizes[row]


@compiled
def _adamw(
    places: Any, sizes: Any, first: Any, last: Any,
    towards: Any, beta: Any, rest: Any, rate: Any, root: Any, eps: Any, factor: Any, keep: Any,
) -> None:  # fmt: skip
    start = 0
    for row in range(sizes.size):
        w, g = part(places, sizes, row, 0, start, first, last), part(places, sizes, row, 1, start, first, last)
        m, v = part(places, sizes, row, 2, start, first, last), part(places, sizes, row, 3, start, first, last)
        kept = keep[row]
        for j in range(w.size):
            g_j = factor * g[j]
            m[j] = without_traces(m[j] + towards * (g_j - m[j]))
            v[j] = without_traces(beta * v[j] + rest * (g_j * g_j))
            w[j] = kept * w[j] - rate * m[j] / (np.sqrt(v[j]) * root + eps)
        start += sizes[row]

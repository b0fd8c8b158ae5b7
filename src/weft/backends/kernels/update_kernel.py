"""Updates of parameters in one pass each, the gradient's norm and its scaling, and the addition of embedding rows.

The equations are those of `weft.training.optimizer` and `weft.training.gradients`. Written as array arithmetic every
operation reads and writes memory once more; here each parameter, gradient and state is read once and written once.
Large arrays are shared out over the workers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.backends.kernels.compiling import compiled
from weft.backends.workers import Workers, split

Floats = NDArray[np.float32]

SMALL = 100_000
"""Elements below which an array is left to one worker."""

LANES = 64
F = np.float32


class FusedUpdate:
    """Parameter updates for float32; all arrays of a call have one shape and one memory order."""

    def __init__(self, workers: Workers) -> None:
        self.workers = workers

    def squared_norm(self, array: Floats) -> float:
        """The sum of the squares of all elements, in float64 over float32 partial sums; not finite if any is not."""
        flat = _flat(array)
        parts = np.zeros(self.workers.count)

        def work(share: slice, number: int) -> None:
            parts[number] = _sum_of_squares(flat[share])

        self._over(flat.size, work)
        return float(parts.sum())

    def scale(self, array: Floats, factor: float) -> None:
        """array <- factor · array"""
        flat = _flat(array)
        self._over(array.size, lambda share, _number: _scale(flat[share], F(factor)))

    def sgd(self, w: Floats, g: Floats, lr: float) -> None:
        """w <- w - lr g"""
        w, g = _flat(w), _flat(g)
        self._over(w.size, lambda share, _number: _sgd(w[share], g[share], F(lr)))

    def momentum(self, w: Floats, g: Floats, v: Floats, mu: float, lr: float) -> None:
        """v <- mu v + g, w <- w - lr v"""
        w, g, v = _flat(w), _flat(g), _flat(v)
        self._over(w.size, lambda share, _number: _momentum(w[share], g[share], v[share], F(mu), F(lr)))

    def adamw(
        self,
        w: Floats,
        g: Floats,
        m: Floats,
        v: Floats,
        betas: tuple[float, float],
        rate: float,
        root_correction: float,
        eps: float,
        decay: float,
    ) -> None:
        """m and v move towards g and g²; w <- (1 - decay) w - rate m / (√v / root_correction + eps)"""
        w, g, m, v = _flat(w), _flat(g), _flat(m), _flat(v)
        numbers = (F(1 - betas[0]), F(betas[1]), F(1 - betas[1]), F(rate), F(1 / root_correction), F(eps), F(1 - decay))
        self._over(w.size, lambda share, _number: _adamw(w[share], g[share], m[share], v[share], *numbers))

    def add_rows(self, target: Floats, rows: NDArray[Any], values: Floats) -> None:
        """target[rows[k]] += values[k] for every k, in this order."""
        _add_rows(target, rows, values)

    def _over(self, size: int, work: Callable[[slice, int], Any]) -> None:
        if size < SMALL:
            work(slice(0, size), 0)
            return
        shares = split(size, self.workers.count)

        def task(number: int) -> Callable[[], None]:
            return lambda: work(shares[number], number)

        self.workers.run([task(number) for number in range(len(shares))])


def _flat(array: Floats) -> Floats:
    """The memory of a contiguous array in one dimension, in whatever order it lies."""
    return array.reshape(-1) if array.flags.c_contiguous else array.T.reshape(-1)


@compiled
def _sum_of_squares(x: Any) -> float:
    lanes = np.zeros(LANES, np.float32)
    total = 0.0
    whole = x.size // LANES * LANES
    blocks, rest = x[:whole].reshape(-1, LANES), x[whole:]
    for start in range(0, blocks.shape[0], LANES):
        # Sums in float32 stay short, so that little is lost to rounding.
        some = blocks[start : start + LANES]
        lanes[:] = 0
        for j in range(some.shape[0]):
            for k in range(LANES):
                lanes[k] += some[j, k] * some[j, k]
        for k in range(LANES):
            total += lanes[k]
    for j in range(rest.size):
        total += rest[j] * rest[j]
    return total


@compiled
def _scale(x: Any, factor: Any) -> None:
    for j in range(x.size):
        x[j] *= factor


@compiled
def _sgd(w: Any, g: Any, lr: Any) -> None:
    for j in range(w.size):
        w[j] -= lr * g[j]


@compiled
def _momentum(w: Any, g: Any, v: Any, mu: Any, lr: Any) -> None:
    for j in range(w.size):
        v[j] = mu * v[j] + g[j]
        w[j] -= lr * v[j]


@compiled
def _adamw(
    w: Any, g: Any, m: Any, v: Any, towards: Any, beta: Any, rest: Any, rate: Any, root: Any, eps: Any, keep: Any
) -> None:
    for j in range(w.size):
        m[j] += towards * (g[j] - m[j])
        v[j] = beta * v[j] + rest * (g[j] * g[j])
        w[j] = keep * w[j] - rate * m[j] / (np.sqrt(v[j]) * root + eps)


@compiled
def _add_rows(target: Any, rows: Any, values: Any) -> None:
    for k in range(rows.size):
        row, value = target[rows[k]], values[k]
        for j in range(value.size):
            row[j] += value[j]

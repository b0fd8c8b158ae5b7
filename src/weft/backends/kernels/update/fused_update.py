"""Fused updates of all parameters, running means, the gradient norm, gradient scaling, and operations on rows.

In array arithmetic every operation is a NumPy call per parameter that reads and writes memory. A kernel here processes
all parameters in one call and reads and writes every array once; see `rules`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.backends.fused_operations import AdamStep
from weft.backends.kernels.threads.parallel import ParallelRunner
from weft.backends.kernels.update import rules
from weft.backends.kernels.update.address_table import table_of
from weft.backends.kernels.update.rows import add_rows, bounds, copy_if_in_range, take_rows, total, unique

Floats = NDArray[np.float32]
Arrays = Sequence[Floats]

SHARED_SIZE = 20_000
"""Number of elements from which on several threads are faster than one."""
SHORT_SIZE = 1_000_000
"""Number of elements below which a job takes less time than a stall, see `ThreadPool`."""

F = np.float32


class FusedUpdate:
    """Parameter updates for float32; the arrays of one parameter have one shape and one memory order."""

    def __init__(self, runner: ParallelRunner) -> None:
        self.runner = runner

    def squared_norm(self, arrays: Arrays) -> float:
        """The sum of the squares of all elements, in float64 over float32 partial sums; not finite if any is not."""
        parts = np.zeros(self.runner.threads)
        self._over(rules.sum_of_squares, (arrays,), parts)
        return float(sum(parts.tolist()))

    def scale(self, arrays: Arrays, factor: float) -> None:
        """array <- factor · array"""
        self._over(rules.scale, (arrays,), F(factor))

    def move_towards(self, arrays: Arrays, targets: Arrays, fraction: float) -> None:
        """array <- array + fraction · (target - array)"""
        self._over(rules.move_towards, (arrays, targets), F(fraction))

    def sgd_towards(self, ws: Arrays, gs: Arrays, ts: Arrays, lr: float, decay: float) -> None:
        """w <- w - lr g + decay (t - w)"""
        self._over(rules.sgd_towards, (ws, gs, ts), F(lr), F(decay))

    def sgd(self, ws: Arrays, gs: Arrays, lr: float) -> None:
        """w <- w - lr g"""
        self._over(rules.sgd, (ws, gs), F(lr))

    def rms_towards(
        self, ws: Arrays, gs: Arrays, ts: Arrays, roots: Arrays, lr: float, eps: float, decay: float
    ) -> None:
        """w <- w - lr g / (root + eps) + min(decay root, 1) (t - w)"""
        self._over(rules.rms_towards, (ws, gs, ts, roots), F(lr), F(eps), F(decay))

    def momentum(self, ws: Arrays, gs: Arrays, vs: Arrays, mu: float, lr: float, factor: float) -> None:
        """v <- mu v + factor g, w <- w - lr v"""
        self._over(rules.momentum, (ws, gs, vs), F(mu), F(lr), F(factor))

    def adamw(
        self,
        ws: Arrays,
        gs: Arrays,
        ms: Arrays,
        vs: Arrays,
        step: AdamStep,
        decays: Sequence[float],
    ) -> None:
        """g <- factor g; m and v move towards g and g²; w <- (1 - decay) w - rate m / (√v / root_correction + eps)"""
        keep = (1 - np.array(decays)).astype(F)
        self._over(rules.adamw, (ws, gs, ms, vs), keep, _adamw_constants(step))

    def adamw_rows(
        self, w: Floats, rows: NDArray[Any], values: Floats, m: Floats, v: Floats, step: AdamStep, decay: float
    ) -> None:
        """`adamw` of one matrix (V, D) whose g is `values` (U, D) at the `rows` (U,), ascending, and zero elsewhere."""
        self._run(rules.adamw_rows, w.size, w, rows, values, m, v, _adamw_constants(step), F(1 - decay))

    def subtract_rows(self, target: Floats, rows: NDArray[Any], values: Floats, factor: float) -> None:
        """target[rows[k]] -= factor · values[k] for every k, in this order."""
        add_rows(target, rows, values, F(-factor))

    def add_rows(self, target: Floats, rows: NDArray[Any], values: Floats) -> None:
        """target[rows[k]] += values[k] for every k, in this order."""
        add_rows(target, rows, values, F(1))

    def unique(self, ids: NDArray[Any], count: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """The unique ids (U,) of ids (K,) in [0, count), ascending, and the indices (K,) of all ids among them."""
        return unique(ids, count)  # type: ignore[no-any-return]

    def bounds(self, numbers: NDArray[np.int64]) -> tuple[int, int]:
        """The minimum and the maximum of an array with at least one element."""
        return bounds(np.ascontiguousarray(numbers).reshape(-1))  # type: ignore[no-any-return]

    def take_rows(self, W: Floats, rows: NDArray[Any]) -> Floats:
        """W[rows]"""
        taken = np.empty((len(rows), W.shape[1]), W.dtype)
        self._run(take_rows, taken.size, W, rows, taken)
        return taken

    def total(self, numbers: Floats) -> float:
        """The sum of all elements, in float64."""
        return float(total(numbers.reshape(-1)))

    def copy_if_in_range(self, ids: NDArray[Any], count: int, target: NDArray[np.int64]) -> bool:
        """Copy ids (N, T) to target (N, T) if all are in [0, count), otherwise return False; see `FusedOperations`."""
        return bool(copy_if_in_range(np.ascontiguousarray(ids), count, target))

    def _over(self, kernel: Any, columns: Sequence[Arrays], *scalars: Any) -> None:
        """Run a kernel of `rules` over all parameters; the n-th arrays of all columns belong to one parameter."""
        table, size = table_of(columns)
        self._run(kernel, size, table, *scalars)

    def _run(self, kernel: Any, size: int, *arguments: Any) -> None:
        chunks = self.runner.threads if size >= SHARED_SIZE else 1
        self.runner.run(kernel, chunks, size < SHORT_SIZE, *arguments)


def _adamw_constants(step: AdamStep) -> tuple[np.float32, ...]:
    """1 - beta1, beta2, 1 - beta2, rate, 1 / root_correction, eps and factor: the kernels' scalars."""
    (beta1, beta2), rate, root_correction, eps, factor = step
    return F(1 - beta1), F(beta2), F(1 - beta2), F(rate), F(1 / root_correction), F(eps), F(factor)

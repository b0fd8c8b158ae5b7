"""The default backend: NumPy on the processor."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import array_api_compat.numpy as array_namespace
import numpy as np
from numpy.typing import NDArray

from weft.backends.backend import BlockKernel, Capture, OutputKernel, UpdateKernel
from weft.errors import InputError

if TYPE_CHECKING:
    from weft.backends.kernels.kernel_set import KernelSet

Floats = NDArray[Any]
Integers = NDArray[Any]


class NumpyBackend:
    """Arrays are `numpy.ndarray`; see `weft.backends.backend.Backend` for what each operation means."""

    name = "numpy"
    xp: Any = array_namespace

    def __init__(self) -> None:
        self.active: ContextVar[KernelSet | None] = ContextVar("fused kernels", default=None)

    @property
    def kernels(self) -> KernelSet | None:
        """The fused kernels that are switched on where the caller runs; see `weft.backends.fused`."""
        return self.active.get()

    def owns(self, array: object) -> bool:
        return isinstance(array, np.ndarray)

    def asarray(self, values: NDArray[Any]) -> NDArray[Any]:
        return values

    def to_numpy(self, array: NDArray[Any]) -> NDArray[Any]:
        return array

    def bounds(self, numbers: Integers) -> tuple[int, int]:
        if self.kernels and numbers.dtype == np.int64 and numbers.size:
            return self.kernels.update.bounds(numbers)
        return int(self.xp.min(numbers)), int(self.xp.max(numbers))

    def total(self, numbers: Floats) -> float:
        if self.kernels and numbers.dtype == np.float32 and numbers.flags.c_contiguous:
            return self.kernels.update.total(numbers)
        return float(self.xp.sum(numbers, dtype=self.xp.float64))

    def copy_if_in_range(self, numbers: Integers, count: int, place: Integers) -> bool:
        if self.kernels:
            return self.kernels.update.copy_if_in_range(numbers, count, place)
        place[...] = numbers
        lowest, highest = self.bounds(place)
        return lowest >= 0 and highest < count

    def add_rows(self, target: Floats, rows: Integers, values: Floats) -> None:
        if self.kernels and target.dtype == values.dtype == np.float32:
            return self.kernels.update.add_rows(target, rows, values)
        # Sorting brings equal rows together; reduceat then adds each run at once, several times faster than add.at.
        order = np.argsort(rows, kind="stable")
        ordered = rows[order]
        starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
        target[ordered[starts]] += np.add.reduceat(values[order], starts, axis=0)
        return None

    def take_rows(self, W: Floats, rows: Integers) -> Floats:
        if self.kernels and W.dtype == np.float32 and W.flags.c_contiguous:
            return self.kernels.update.take_rows(W, rows)
        taken: Floats = self.xp.take(W, rows, axis=0)
        return taken

    def unique(self, ids: Integers, count: int) -> tuple[Integers, Integers]:
        flat = ids.reshape(-1)
        if self.kernels:
            different, places = self.kernels.update.unique(flat, count)
        else:
            different, places = np.unique(flat, return_inverse=True)
        return different, places.reshape(ids.shape)

    def sum_rows(self, rows: Integers, values: Floats) -> tuple[Integers, Floats]:
        different, places = self.unique(rows, self.bounds(rows)[1] + 1 if len(rows) else 0)
        sums = np.zeros((len(different), values.shape[1]), values.dtype)
        self.add_rows(sums, places, values)
        return different, sums

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
        if self.kernels and dtype == np.float32:
            return self.kernels.rounding
        return 8 * float(np.finfo(dtype).eps)

    def reads_rows(self, cell: Any, streams: int, steps: int) -> bool:
        return self.block_kernel(cell, streams, steps) is not None

    def block_kernel(self, cell: Any, streams: int, steps: int) -> BlockKernel | None:
        if not self.kernels or not all(map(_can_be_read, cell.params)):
            return None
        kernel = self.kernels.blocks.get(cell.name)
        return kernel if kernel is not None and kernel.is_faster(cell, streams, steps) else None

    def capture_key(self) -> Hashable | None:
        kernels = self.kernels
        return None if kernels is None else (id(kernels), threading.get_ident())

    def can_capture(
        self, embedding: Floats, cells: Sequence[Any], output: Sequence[Floats], streams: int, steps: int
    ) -> bool:
        W, b = output
        return (
            _can_be_read(embedding)
            and _can_be_read(b)
            and W.dtype == np.float32
            and (W.flags.c_contiguous or W.flags.f_contiguous)
            and all(self.reads_rows(cell, streams, steps) for cell in cells)
        )

    @contextmanager
    def capturing(self) -> Iterator[Capture]:
        kernels = self.kernels
        if kernels is None:
            raise InputError("only fused kernels can be recorded, see `capture_key`")
        capture, recorded = kernels.with_capture()
        before = self.active.set(recorded)
        try:
            yield capture
        finally:
            capture.stop()
            self.active.reset(before)

    def output_kernel(self, dtype: Any) -> OutputKernel | None:
        return self.kernels.output if self.kernels and dtype == np.float32 else None

    def update_kernel(self, dtype: Any) -> UpdateKernel | None:
        return self.kernels.update if self.kernels and dtype == np.float32 else None


def _labels(targets: Integers, ignore_label: int) -> tuple[Integers, Integers, NDArray[np.bool_]]:
    ignored = targets == ignore_label
    return np.arange(targets.shape[0]), np.where(ignored, 0, targets), ignored


def _can_be_read(parameter: Floats) -> bool:
    """Whether the kernels can: float32 numbers, rows one after the other."""
    return parameter.dtype == np.float32 and parameter.flags.c_contiguous

"""Scores, softmax, loss and their gradients in two sweeps over the vocabulary.

    x = h W + b        nats = ln Σ_v exp x_v - x_target        dx = (softmax(x) - onehot(target)) · scale
    dW = hᵀ dx         db = Σ dx                               dh = dx Wᵀ

The vocabulary is cut into pieces. First sweep: the scores of every piece, of which a row's largest and the sum of
exponentials are kept up to date (when a larger score comes, the sum so far is scaled down). Second sweep: dx of a piece
from its scores, in place, and at once its share of dW, db and dh. Between the sweeps the scores stay in memory where
they fit KEPT_BYTES, and else are computed once more: the largest array of a language model then never exists. Workers
take pieces of their own, so that dW is written once, or rows where the vocabulary is small.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weft.backends.kernels.output_sweeps import BELOW_ALL, take_scores, to_gradients
from weft.backends.workers import Workers, split

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

PIECE = 2048
"""Most columns in a piece: products are at full speed, and the scores of a few hundred rows stay near."""

KEPT_BYTES = 64 * 2**20
"""Scores up to this size are kept from the first sweep for the second."""

SMALL_WORK = 10_000_000
"""Multiply-adds of a product below which handing half of it to another thread costs more than it saves."""


@dataclass
class Part:
    """The rows and columns of one worker, and what it found in the first sweep; see `take_scores`."""

    h: Floats
    t: Integers
    rows: slice
    columns: slice
    kept: Floats | None
    largest: Floats
    total: Floats
    target: Floats

    def pieces(self) -> Iterator[slice]:
        """Its columns, piece by piece."""
        for first in range(self.columns.start, self.columns.stop, PIECE):
            yield slice(first, min(first + PIECE, self.columns.stop))

    def scores(self, piece: slice, buffer: Floats) -> Floats:
        """Room for the scores of a piece, rows side by side: its own where they are kept, else the buffer."""
        R, first = len(self.t), piece.start - self.columns.start
        room = buffer if self.kept is None else self.kept[R * first :]
        return room[: R * (piece.stop - piece.start)].reshape(R, -1)

    def buffer(self) -> Floats:
        """Room for the scores of one piece, where they are not kept."""
        return np.empty(0 if self.kept is not None else len(self.t) * PIECE, np.float32)


class FusedOutput:
    """The fused output layer for float32: h (R, H), targets t (R,), W (H, V) in either memory order, b (V,)."""

    def __init__(self, workers: Workers) -> None:
        self.workers = workers
        self._memory = threading.local()

    def target_nats(self, h: Floats, t: Integers, W: Floats, b: Floats, ignore_label: int) -> Floats:
        """-ln p(target) for every row (R,), zero where the target is `ignore_label`."""
        return self._first_sweep(self._parts(h, t, W, None), t, W, b, ignore_label)[0]

    def loss(
        self, h: Floats, t: Integers, W: Floats, b: Floats, ignore_label: int, dW: Floats, db: Floats
    ) -> tuple[Floats, Floats]:
        """Nats of every row (R,) and dh (R, H), the gradient of the mean; dW and db are overwritten."""
        parts = self._parts(h, t, W, self._room(len(t) * W.shape[1]))
        nats, log_sum = self._first_sweep(parts, t, W, b, ignore_label)
        counted = t != ignore_label
        scale = counted.astype(np.float32) / np.float32(max(int(counted.sum()), 1))
        by_rows = parts[0].columns == parts[-1].columns
        grads = [(np.empty_like(dW), np.empty_like(db)) if by_rows and n else (dW, db) for n in range(len(parts))]
        dhs = [np.zeros_like(part.h) for part in parts]

        def work(part: Part, dW: Floats, db: Floats, dh: Floats) -> Callable[[], None]:
            return lambda: _go_back(part, W, b, log_sum[part.rows], scale[part.rows], dW, db, dh)

        self.workers.run([work(part, *own, dh) for part, own, dh in zip(parts, grads, dhs, strict=True)])
        if by_rows:
            for more_dW, more_db in grads[1:]:
                dW += more_dW
                db += more_db
            return nats, np.concatenate(dhs)
        for more_dh in dhs[1:]:
            dhs[0] += more_dh
        return nats, dhs[0]

    def _first_sweep(
        self, parts: list[Part], t: Integers, W: Floats, b: Floats, ignore_label: int
    ) -> tuple[Floats, Floats]:
        """The nats of every row, and the logarithm of the sum of its exponentials."""

        def work(part: Part) -> Callable[[], None]:
            return lambda: _score(part, W, b)

        self.workers.run([work(part) for part in parts])
        if parts[0].columns == parts[-1].columns:
            largest, total, target = (
                np.concatenate([getattr(part, name) for part in parts]) for name in ("largest", "total", "target")
            )
        else:
            largest = np.max([part.largest for part in parts], axis=0)
            total = np.sum([part.total * np.exp(part.largest - largest) for part in parts], axis=0)
            target = np.sum([part.target for part in parts], axis=0)
        log_sum: Floats = largest + np.log(total)
        nats: Floats = log_sum - target
        nats[t == ignore_label] = 0
        return nats, log_sum

    def _room(self, size: int) -> Floats | None:
        """Memory for so many scores, the same at every call, since new memory costs time; None if too many."""
        if size * 4 > KEPT_BYTES:
            return None
        held: Floats | None = getattr(self._memory, "scores", None)
        if held is None or held.size < size:
            held = self._memory.scores = np.empty(size, np.float32)
        return held[:size]

    def _parts(self, h: Floats, t: Integers, W: Floats, room: Floats | None) -> list[Part]:
        (R, H), V = h.shape, W.shape[1]
        h, t = np.ascontiguousarray(h), np.ascontiguousarray(t)
        count = 1 if R * H * V < SMALL_WORK else self.workers.count
        by_columns = V >= R or V >= 2 * PIECE
        shares = split(V if by_columns else R, count)
        rows = [slice(0, R) if by_columns else share for share in shares]
        columns = [share if by_columns else slice(0, V) for share in shares]
        parts = []
        for own, which in zip(rows, columns, strict=True):
            size = len(t[own]) * (which.stop - which.start)
            kept, room = (None, None) if room is None else (room[:size], room[size:])
            parts.append(_part(h[own], t[own], own, which, kept))
        return parts


def _part(h: Floats, t: Integers, rows: slice, columns: slice, kept: Floats | None) -> Part:
    R = len(t)
    return Part(
        h,
        t,
        rows,
        columns,
        kept,
        largest=np.full(R, BELOW_ALL),
        total=np.zeros(R, np.float32),
        target=np.zeros(R, np.float32),
    )


def _score(part: Part, W: Floats, b: Floats) -> None:
    buffer = part.buffer()
    for piece in part.pieces():
        x = part.scores(piece, buffer)
        np.matmul(part.h, W[:, piece], out=x)
        take_scores(x, b[piece], part.t, piece.start, part.largest, part.total, part.target)


def _go_back(
    part: Part, W: Floats, b: Floats, log_sum: Floats, scale: Floats, dW: Floats, db: Floats, dh: Floats
) -> None:
    buffer = part.buffer()
    for piece in part.pieces():
        x = part.scores(piece, buffer)
        if part.kept is None:
            np.matmul(part.h, W[:, piece], out=x)
            x += b[piece]
        to_gradients(x, part.t, piece.start, log_sum, scale, db[piece])
        if dW.flags.c_contiguous:
            np.matmul(part.h.T, x, out=dW[:, piece])
        else:
            np.matmul(x.T, part.h, out=dW.T[piece])
        dh += x @ W[:, piece].T

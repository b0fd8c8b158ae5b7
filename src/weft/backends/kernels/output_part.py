"""One worker's share of the output layer: some rows and some columns of the scores, in two sweeps block by block."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from weft.backends.kernels import output_tiles
from weft.backends.kernels.held_memory import held
from weft.backends.kernels.output_sweeps import BELOW_ALL, leave_out, take_scores, to_gradients
from weft.backends.kernels.tiles import Tiles

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


class Part(ABC):
    """The scores h W + b of some rows h, with targets t, and some `columns`.

    left_out (rows,): a token of each row that is not to count, or -1; empty: all count.
    kept: room for all of these scores, to be kept from the first sweep for the second, or None to compute them again.
    largest, total, target (rows,): see `take_scores`.
    """

    @property
    @abstractmethod
    def width(self) -> int:
        """Columns of a block."""

    fewest_rows = 0
    """Rows from which on this kind of part is fast."""

    def __init__(
        self, h: Floats, t: Integers, left_out: Integers, W: Floats, b: Floats, columns: slice, kept: Floats | None
    ) -> None:
        self.h, self.t, self.left_out, self.W, self.b, self.columns, self.kept = h, t, left_out, W, b, columns, kept
        R = len(t)
        self.largest, self.total, self.target = np.full(R, BELOW_ALL), np.zeros(R, "f"), np.zeros(R, "f")

    @abstractmethod
    def first_sweep(self) -> None:
        """Every row's record over the part's columns."""

    @abstractmethod
    def second_sweep(self, log_sum: Floats, scale: Floats, dW: Floats, db: Floats, dh: Floats) -> None:
        """The part's share of all gradients: dW and db of its columns are overwritten, dh (rows, H) is added to."""

    def scores_room(self) -> Floats:
        """Room for the scores of all blocks where they are kept, else of one."""
        if self.kept is not None:
            return self.kept
        size = len(self.t) * min(self.width, self.columns.stop - self.columns.start)
        return held("scores of a block", size, np.float32)


class LibraryPart(Part):
    """Products by the linear algebra library."""

    @property
    def width(self) -> int:
        return 2048

    def first_sweep(self) -> None:
        for piece, x in self._blocks():
            np.matmul(self.h, self.W[:, piece], out=x)
            leave_out(x, self.left_out, piece.start)
            take_scores(x, self.b[piece], self.t, piece.start, self.largest, self.total, self.target)

    def second_sweep(self, log_sum: Floats, scale: Floats, dW: Floats, db: Floats, dh: Floats) -> None:
        for piece, x in self._blocks():
            if self.kept is None:
                np.matmul(self.h, self.W[:, piece], out=x)
                leave_out(x, self.left_out, piece.start)
                x += self.b[piece]
            db[piece] = 0
            to_gradients(x, self.t, piece.start, log_sum, scale, db[piece])
            if dW.flags.c_contiguous:
                np.matmul(self.h.T, x, out=dW[:, piece])
            else:
                np.matmul(x.T, self.h, out=dW.T[piece])
            dh += x @ self.W[:, piece].T

    def _blocks(self) -> list[tuple[slice, Floats]]:
        """The columns of every block, and room for its scores."""
        R, (start, stop), scores = len(self.t), (self.columns.start, self.columns.stop), self.scores_room()
        blocks = []
        for first in range(start, stop, self.width):
            piece = slice(first, min(first + self.width, stop))
            place = R * (first - start) if self.kept is not None else 0
            blocks.append((piece, scores[place : place + R * (piece.stop - first)].reshape(R, -1)))
        return blocks


class StridedWeights(Part):
    """A part that reads W by rows of W or of its transpose, whichever lie in memory."""

    def weights(self) -> tuple[Floats, bool]:
        """W, or its transpose if that is what lies in memory, and whether it is."""
        return (self.W, False) if self.W.flags.c_contiguous else (self.W.T, True)


class TilePart(StridedWeights):
    """Products of bfloat16 tiles."""

    fewest_rows = 96
    terms = 3

    def first_sweep(self) -> None:
        h, W, transposed = self._left(), *self.weights()
        output_tiles.first_sweep(
            h.cells, h.height, W, transposed, self.b, self.t, self.left_out,
            self.columns.start, self.columns.stop, self.width,
            self.scores_room(), self.kept is not None, self._room(), self.largest, self.total, self.target,
        )  # fmt: skip

    def second_sweep(self, log_sum: Floats, scale: Floats, dW: Floats, db: Floats, dh: Floats) -> None:
        h, W, transposed = self._left(), *self.weights()
        other = Tiles(self.terms, "output h other")
        other.set_right(self.h) if transposed else other.set_left(self.h.T)
        output_tiles.second_sweep(
            h.cells, h.height, other.cells, W, transposed, self.b, self.t, self.left_out,
            self.columns.start, self.columns.stop, self.width,
            self.scores_room(), self.kept is not None, self._room(),
            log_sum, scale, dW.T if transposed else dW, db, dh,
        )  # fmt: skip

    @property
    def width(self) -> int:
        # A block's scores and tiles have to stay near; but all rows are read again for every block.
        return 128 if self.h.shape[1] < 400 else 256

    def _left(self) -> Tiles:
        return Tiles(self.terms, "output h").set_left(self.h)

    def _room(self) -> NDArray[np.int32]:
        R, H = self.h.shape
        return held("output tiles", output_tiles.room_size(R, H, self.width, self.terms), np.int32)


class OneTermPart(TilePart):
    """One bfloat16 term a number."""

    terms = 1
    fewest_rows = 32

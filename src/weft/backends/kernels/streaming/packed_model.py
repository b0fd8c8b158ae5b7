"""Where everything of a streamed model lies: its weights, the plan of its step, and the regions of its room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.backends.kernels.streaming.activation_packing import factor_row
from weft.backends.kernels.streaming.plan import (
    BIAS,
    BLOCK,
    BLOCKS,
    C_NEXT,
    C_PREV,
    CHUNK,
    CHUNKS,
    DEPTH,
    DEPTH_STEP,
    EMBEDDING,
    FIELDS,
    GATE,
    GRU_CANDIDATE,
    GRU_GATES,
    H_NEXT,
    H_PREV,
    ID_STEP,
    INPUT,
    INPUT_MATRIX,
    INPUT_ROW,
    KIND,
    LENGTH,
    LSTM,
    OUTPUT,
    PANELS,
    RECURRENT,
    RECURRENT_MATRIX,
    RNN,
    SEEN,
    SUMS,
    SUMS_ROW,
    UNITS_ROW,
)  # fmt: skip
from weft.backends.kernels.streaming.skinny_gemm import CELLS, MATRIX, WIDTH
from weft.backends.kernels.streaming.weight_packing import Packing
from weft.backends.quantization import rounded

Floats = NDArray[np.float32]

CHUNK_BYTES = 64 * 1024
"""About how many bytes of weights a thread takes at once: a microsecond or two of reading."""

PHASES = {"rnn": ((RNN, (0,)),), "lstm": ((LSTM, (0, 1, 2, 3)),), "gru": ((GRU_GATES, (0, 1)), (GRU_CANDIDATE, (2,)))}
"""The phases of a layer by its cell, each with the gates that its product gives."""

STATE_PARTS = {"rnn": 1, "lstm": 2, "gru": 1}


class Layout:
    """See `StreamEngine` for the arguments.

    plan (phases, FIELDS), weights and constants: what the kernels read. room_row, own_row: floats that a step needs for
    each stream, and each thread for each stream. units_row, scores_row: the rows' lengths of states and scores.
    """

    def __init__(
        self, kind: str, cell: str, embedding: Floats, layers: Sequence[tuple[Floats, Floats, Floats]],
        output: Floats | None, bias: Floats,
    ) -> None:  # fmt: skip
        self._kind, self._packing = kind, Packing(kind)
        (V, D), H = embedding.shape, layers[0][1].shape[0]
        self.units_row, self.scores_row = _whole(H), _whole(V)
        parts = STATE_PARTS[cell]
        self.room_row = 2 * parts * len(layers) * self.units_row
        gates = len(layers[0][2]) // H
        sums, x = self._region(gates * self.units_row), self._region(_whole(D))
        gate, seen = self._region(self.units_row), self._region(self.units_row)
        rows: list[dict[int, int]] = []
        scores = self._output(embedding.T if output is None else output, bias)
        rows.append(self._embedding(embedding, scores if output is None else None, x))
        x_row = _whole(D)
        for number, (Wx, Wh, b) in enumerate(layers):
            h, c = parts * number, parts * number + parts - 1
            state = {
                H_PREV: h, H_NEXT: parts * len(layers) + h, C_PREV: c, C_NEXT: parts * len(layers) + c
            }  # fmt: skip
            common = {word: part * self.units_row for word, part in state.items()}
            common |= {INPUT: x, INPUT_ROW: x_row, SUMS: sums, GATE: gate, SEEN: seen, UNITS_ROW: self.units_row}
            for phase, which in PHASES[cell]:
                row = {KIND: phase, **common, **self._layer(Wx, Wh, b, which)}
                row[RECURRENT] = seen if phase == GRU_CANDIDATE else row[H_PREV]
                rows.append(row)
            x, x_row = common[H_NEXT], self.units_row
        rows.append({**scores, INPUT: x, INPUT_ROW: x_row})
        self.plan = np.zeros((len(rows), FIELDS), np.int64)
        for place, row in enumerate(rows):
            for field, value in row.items():
                self.plan[place, field] = value
        self.weights, self.constants = self._packing.done()
        self.own_row = 2 * factor_row(max(_whole(D), self.units_row) // 4)

    def _region(self, row: int) -> int:
        self.room_row += row
        return self.room_row - row

    def _embedding(self, W: Floats, output: dict[int, int] | None, x: int) -> dict[int, int]:
        """Rows of their own, or those of the output's panels."""
        row = {KIND: EMBEDDING, BLOCKS: 1, CHUNK: 1, CHUNKS: 1, INPUT: x, INPUT_ROW: _whole(W.shape[1])}
        row[LENGTH] = W.shape[1]
        if output is None:
            row |= {BLOCK: 1, DEPTH: W.shape[1]} | self._words(self._packing.rows(*rounded(W, self._kind, 1)))
            return row
        depth = self._packing.in_a_cell
        row |= {BLOCK: WIDTH, ID_STEP: depth, DEPTH: depth, DEPTH_STEP: WIDTH * depth}
        return row | {field: output[field] for field in range(INPUT_MATRIX, INPUT_MATRIX + MATRIX)}

    def _layer(self, Wx: Floats, Wh: Floats, b: Floats, which: tuple[int, ...]) -> dict[int, int]:
        """The gates `which` of a layer, those of a vector of units side by side."""
        H = Wh.shape[0]
        units = np.arange(self.units_row).reshape(-1, 1, WIDTH)
        columns = (units + H * np.array(which)[:, None]).reshape(-1)
        real = np.broadcast_to(units < H, (len(units), len(which), WIDTH)).reshape(-1)

        def pick(values: NDArray[Any]) -> NDArray[Any]:
            picked = np.zeros((*values.shape[:-1], len(columns)), values.dtype)
            picked[..., real] = values[..., columns[real]]
            return picked

        row = {SUMS_ROW: len(columns), BIAS: self._packing.constant(pick(b))}
        for first, W in ((INPUT_MATRIX, Wx), (RECURRENT_MATRIX, Wh)):
            numbers, scales = rounded(W, self._kind, 0)
            row |= self._words(self._packing.matrix(pick(numbers), pick(scales)), first)
        return row | self._chunks(row, len(units), len(which), (INPUT_MATRIX, RECURRENT_MATRIX))

    def _output(self, W: Floats, bias: Floats) -> dict[int, int]:
        row = {KIND: OUTPUT, BIAS: self._packing.constant(bias)}
        row |= self._words(self._packing.matrix(*rounded(W, self._kind, 0)))
        return row | self._chunks(row, self.scores_row // WIDTH, 1, (INPUT_MATRIX,))

    def _words(self, matrix: list[int], first: int = INPUT_MATRIX) -> dict[int, int]:
        return {first + place: word for place, word in enumerate(matrix)}

    def _chunks(self, row: dict[int, int], blocks: int, panels: int, matrices: tuple[int, ...]) -> dict[int, int]:
        """Chunks of about CHUNK_BYTES, of so many panels that they can be read several at a time."""
        size = panels * sum(row[matrix + CELLS] * WIDTH * 4 for matrix in matrices)
        step = max(1, 8 // panels) if panels * blocks >= 64 else max(1, 4 // panels)
        chunk = max(1, CHUNK_BYTES // size // step) * step
        return {BLOCKS: blocks, PANELS: panels, CHUNK: chunk, CHUNKS: -(-blocks // chunk)}


def _whole(size: int) -> int:
    return -(-size // WIDTH) * WIDTH

"""A model packed for streaming: its weights, the plan of its step, and the regions of the activations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.backends.kernels.streaming.activation_packing import buffer_row
from weft.backends.kernels.streaming.cell import StreamingCell, compiled_update
from weft.backends.kernels.streaming.plan import (
    BIAS,
    BLOCKS,
    CHUNK_BLOCKS,
    CHUNKS,
    DEPTH,
    EMBEDDING,
    EMBEDDING_ID_STRIDE,
    EMBEDDING_IDS,
    EMBEDDING_RUN,
    EMBEDDING_RUN_STRIDE,
    EMBEDDING_SIZE,
    FIELDS,
    GATE_SUMS,
    GATE_SUMS_STRIDE,
    INPUT,
    INPUT_MATRIX,
    INPUT_STRIDE,
    KIND,
    LAYER,
    MATRIX_FIELDS,
    OUTPUT,
    PANELS,
    RECURRENT,
    RECURRENT_MATRIX,
    SCRATCH,
    STATE_AFTER,
    STATE_BEFORE,
    STATE_STRIDE,
    UPDATE,
    WIDTH,
)
from weft.backends.kernels.streaming.weight_packing import WeightPacker
from weft.backends.quantization import rounded

Floats = NDArray[np.float32]
Phase = dict[int, int]
"""A row of the plan, by field."""

CHUNK_BYTES = 64 * 1024
"""Bytes of weights in a chunk, about: a microsecond or two of reading."""


class PackedModel:
    """See `StreamingEngine` for the arguments.

    plan (phases, FIELDS), weights and constants are what the kernels read. activations_per_stream,
    packed_per_stream: float32 that a step needs for each stream, and each thread in addition for each stream.
    state_stride, scores_stride: row strides of the state and of the scores.
    """

    def __init__(
        self, weight_format: str, cell: StreamingCell, embedding: Floats,
        layers: Sequence[tuple[Floats, Floats, Floats]], output: Floats | None, bias: Floats,
    ) -> None:  # fmt: skip
        self._format, self._packer = weight_format, WeightPacker(weight_format)
        (V, D), H = embedding.shape, layers[0][1].shape[0]
        self.state_stride, self.scores_stride = _padded(H), _padded(V)
        states = cell.state_parts * len(layers) * self.state_stride
        self.activations_per_stream = 2 * states  # the state before comes first, then the state after
        gates = len(layers[0][2]) // H
        sums, x = self._region(gates * self.state_stride), self._region(_padded(D))
        scratch = self._region(cell.scratch * self.state_stride)
        scores = self._output(embedding.T if output is None else output, bias)
        phases = [self._embedding(embedding, scores if output is None else None, x)]
        x_stride = _padded(D)
        for number, (Wx, Wh, b) in enumerate(layers):
            before = cell.state_parts * number * self.state_stride
            common = {
                KIND: LAYER, INPUT: x, INPUT_STRIDE: x_stride, GATE_SUMS: sums, STATE_STRIDE: self.state_stride,
                STATE_BEFORE: before, STATE_AFTER: states + before, SCRATCH: scratch,
            }  # fmt: skip
            for phase in cell.phases:
                row = {UPDATE: compiled_update(cell, phase).address, **common, **self._layer(Wx, Wh, b, phase.gates)}
                row[RECURRENT] = before if phase.recurrent is None else scratch + phase.recurrent * self.state_stride
                phases.append(row)
            x, x_stride = common[STATE_AFTER], self.state_stride
        phases.append({**scores, INPUT: x, INPUT_STRIDE: x_stride})
        self.plan = np.zeros((len(phases), FIELDS), np.int64)
        for number, row in enumerate(phases):
            for field, value in row.items():
                self.plan[number, field] = value
        self.weights, self.constants = self._packer.finish()
        self.packed_per_stream = 2 * int(buffer_row(max(_padded(D), self.state_stride) // 4))

    def _region(self, stride: int) -> int:
        """Reserve a region of the activations with this row stride; returns its offset."""
        self.activations_per_stream += stride
        return self.activations_per_stream - stride

    def _embedding(self, W: Floats, output: Phase | None, x: int) -> Phase:
        """The phase that reads rows of W: packed by rows, or the panels of `output` if the weights are tied."""
        D = W.shape[1]
        row = {KIND: EMBEDDING, BLOCKS: 1, CHUNK_BLOCKS: 1, CHUNKS: 1, INPUT: x, INPUT_STRIDE: _padded(D)}
        row[EMBEDDING_SIZE] = D
        if output is None:
            row |= {EMBEDDING_IDS: 1, EMBEDDING_RUN: D}
            return row | _matrix(self._packer.add_rows(*rounded(W, self._format, 1)))
        values = self._packer.values_per_element
        row |= {EMBEDDING_IDS: WIDTH, EMBEDDING_ID_STRIDE: values}
        row |= {EMBEDDING_RUN: values, EMBEDDING_RUN_STRIDE: WIDTH * values}
        return row | {field: output[field] for field in range(INPUT_MATRIX, INPUT_MATRIX + MATRIX_FIELDS)}

    def _layer(self, Wx: Floats, Wh: Floats, b: Floats, gates: tuple[int, ...]) -> Phase:
        """The products of some gates of a layer: for each block of units, one panel per gate."""
        H = Wh.shape[0]
        units = np.arange(self.state_stride).reshape(-1, 1, WIDTH)
        columns = (units + H * np.array(gates)[:, None]).reshape(-1)
        real = np.broadcast_to(units < H, (len(units), len(gates), WIDTH)).reshape(-1)

        def pick(values: NDArray[Any]) -> NDArray[Any]:
            picked = np.zeros((*values.shape[:-1], len(columns)), values.dtype)
            picked[..., real] = values[..., columns[real]]
            return picked

        row = {GATE_SUMS_STRIDE: len(columns), BIAS: self._packer.add_constants(pick(b))}
        for first, W in ((INPUT_MATRIX, Wx), (RECURRENT_MATRIX, Wh)):
            weights, scales = rounded(W, self._format, 0)
            row |= _matrix(self._packer.add_matrix(pick(weights), pick(scales)), first)
        return row | _chunks(row, len(units), len(gates), (INPUT_MATRIX, RECURRENT_MATRIX))

    def _output(self, W: Floats, bias: Floats) -> Phase:
        row = {KIND: OUTPUT, BIAS: self._packer.add_constants(bias)}
        row |= _matrix(self._packer.add_matrix(*rounded(W, self._format, 0)))
        return row | _chunks(row, self.scores_stride // WIDTH, 1, (INPUT_MATRIX,))


def _matrix(fields: list[int], first: int = INPUT_MATRIX) -> Phase:
    return {first + field: value for field, value in enumerate(fields)}


def _chunks(row: Phase, blocks: int, panels: int, matrices: tuple[int, ...]) -> Phase:
    """Chunks of about CHUNK_BYTES, whose number of panels suits kernels that read several side by side."""
    block_bytes = panels * sum(row[matrix + DEPTH] * WIDTH * 4 for matrix in matrices)
    multiple = max(1, 8 // panels) if panels * blocks >= 64 else max(1, 4 // panels)
    chunk = max(1, CHUNK_BYTES // block_bytes // multiple) * multiple
    return {BLOCKS: blocks, PANELS: panels, CHUNK_BLOCKS: chunk, CHUNKS: -(-blocks // chunk)}


def _padded(size: int) -> int:
    return -(-size // WIDTH) * WIDTH

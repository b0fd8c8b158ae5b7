"""The plan of a step: one row of int64 for each phase, read by the kernels, and the layout of what the fields address.

    embedding      x = W[id]
    layer          a = b + x W_x + h_{t-1} W_h for some gates, and the cell's update of the hidden units
    output         scores = b + h W

A cell has one layer phase, or more if a later product needs what an earlier update computes (see `cell`). The
activations of a step are in one array: a region of it is an offset and the stride of its rows, both to be multiplied by
the number of streams N, then by rows. All weights are in one array, biases, scales and sums in another.
"""

from __future__ import annotations

from weft.backends.kernels.jit.cpu_features import host_tiling

_tiling = host_tiling()
assert _tiling is not None, "the kernels are loaded only where host_tiling() knows the processor"
WIDTH = _tiling.width
"""Columns of a weight panel: the lanes of a vector. A block is WIDTH hidden units, or tokens of the vocabulary."""

EMBEDDING, LAYER, OUTPUT = range(3)
"""Kinds of phases."""

OFFSET, PANEL_STRIDE, DEPTH, SCALES, SUMS, MATRIX_FIELDS = range(6)
"""Fields of a packed matrix: offset of the first panel and stride of the panels, in weights; packed elements of a panel
along k; offsets of the columns' scales and sums among the constants."""

(
    KIND,
    UPDATE,  # the address of the cell's update function, see `cell.compiled_update`
    BLOCKS,  # blocks of the layer, or of the vocabulary
    PANELS,  # panels per block: one for each gate
    CHUNK_BLOCKS,  # blocks per chunk
    CHUNKS,
    BIAS,  # offset among the constants
    INPUT,  # region of x
    INPUT_STRIDE,
    GATE_SUMS,  # region of a
    GATE_SUMS_STRIDE,
    STATE_STRIDE,  # row stride of the state and of the scratch vectors, and from one of these to the next
    STATE_BEFORE,  # region of the first part of the state at t - 1
    STATE_AFTER,  # and at t
    SCRATCH,  # region of the first scratch vector
    RECURRENT,  # region that W_h is multiplied with
    EMBEDDING_IDS,  # ids whose rows are interleaved in a panel
    EMBEDDING_ID_STRIDE,  # weights from the row of one of them to the next
    EMBEDDING_RUN,  # contiguous values of a row
    EMBEDDING_RUN_STRIDE,  # weights from one run to the next
    EMBEDDING_SIZE,  # D
    INPUT_MATRIX,
) = range(22)
RECURRENT_MATRIX = INPUT_MATRIX + MATRIX_FIELDS
FIELDS = RECURRENT_MATRIX + MATRIX_FIELDS

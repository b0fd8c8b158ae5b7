"""The plan of a step: its phases one after another, each a row of whole numbers that the kernels read.

    embedding      x = W[id]
    rnn | lstm     a = b + x W_x + h_{t-1} W_h and the new state, some hidden units with all their gates at a time
    gru            two phases, since the candidate's product needs all of r * h_{t-1}
    output         b + x W

All activations of a step lie in one room: a region is an offset and a row's length, both times the number of rows. All
weights lie in one array, biases and scales in another.
"""

from __future__ import annotations

from weft.backends.kernels.streaming.skinny_gemm import MATRIX

EMBEDDING, RNN, LSTM, GRU_GATES, GRU_CANDIDATE, OUTPUT = range(6)
"""Kinds of phases."""

(
    KIND,
    BLOCKS,  # vectors of hidden units, or of the vocabulary
    PANELS,  # of a block: one a gate
    CHUNK,  # blocks that are taken at once
    CHUNKS,
    BIAS,
    INPUT,  # where the region of x begins,
    INPUT_ROW,  # and its rows' length
    SUMS,  # the region of a
    SUMS_ROW,
    UNITS_ROW,  # the rows' length of all that follows
    H_PREV,
    H_NEXT,
    C_PREV,
    C_NEXT,
    GATE,  # of the gated recurrent unit: z
    SEEN,  # and r * h_{t-1}
    RECURRENT,  # the region that W_h is multiplied with
    BLOCK,  # of the embedding: ids whose rows are interleaved in a panel,
    ID_STEP,  # the distance of their rows,
    DEPTH,  # how many numbers of a row are neighbours
    DEPTH_STEP,  # and how far the next ones are
    LENGTH,  # D
    INPUT_MATRIX,
) = range(24)
RECURRENT_MATRIX = INPUT_MATRIX + MATRIX
FIELDS = RECURRENT_MATRIX + MATRIX

"""The two passes of a block as data: their arguments, and the views of them that one chunk of the time loop needs.

The streams of a block are divided into groups, one for each chunk. The rows of a group are contiguous in every array of
a block and time-major within the group: the rows of one step are neighbours, and all rows of all groups are one operand
of the products before and after the time loop.

With fewer streams than chunks all streams are one group, and a chunk of the time loop is some hidden units with all
their gates: a core then reads its part of the recurrent weights at every step instead of all of them. Every chunk needs
the whole h (backward: the whole da) of the step before, so the time loop has a round (see `threads.parallel`) for each
of its stages, the smallest parts between which the chunks wait for each other. Otherwise it is one round of all stages.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from weft.backends.kernels.jit.compile import inlined, overload
from weft.backends.kernels.jit.pointers import pointer_to
from weft.backends.kernels.matmul.pack_rhs import pack_rhs, pack_rhs_transposed
from weft.backends.kernels.matmul.partition import stream_range
from weft.backends.kernels.matmul.step_gemm import step_gemm


class Forward(NamedTuple):
    """Arguments of the forward pass. N streams, T steps, D inputs, H units, G gates, R = N·T rows.

    groups          number of groups of streams
    xs              inputs (N, T, D); without elements if they are deduplicated
    values, places  deduplicated inputs (U, D), and the row of each input (N, T); see `DeduplicatedInputs`
    products        scratch (U, G·H) for values W_x
    Wx, Wh, b       (D, G·H), (H, G·H), (G·H,)
    state_before    initial state (h, …), each (N, H); state_after: the last state
    x               scratch (R, ≥D) for the inputs by rows
    a               pre-activations (R, ≥G·H), which the cell replaces by its gates
    states          (h, …), each (R + N, H), the initial state in front of every group
    saved           arrays (R, H) that the cell saves for the backward pass
    hs              hidden states (N, T, H)
    operands        what the recurrent products need, see `Operand`
    units           first hidden unit and number of units of every chunk (chunks, 2)
    lhs_buffer, rhs_buffer  buffers of every chunk for packed operands
    """

    groups: Any
    xs: Any
    values: Any
    places: Any
    products: Any
    Wx: Any
    Wh: Any
    b: Any
    state_before: Any
    x: Any
    a: Any
    states: Any
    saved: Any
    hs: Any
    state_after: Any
    operands: Any
    units: Any
    lhs_buffer: Any
    rhs_buffer: Any


class Backward(NamedTuple):
    """Arguments of the backward pass; names as in `Forward`, and d before a name is the gradient of the loss by it.

    a               the gates, which the cell replaces by da
    multiplied      for every operand the states or saved arrays (≥R, H) that its part of W_h multiplied
    sums            scratch (U, G·H) for da summed over the places of each deduplicated value
    dxs, dvalues    gradient of the inputs (N, T, D), or of the deduplicated values (U, D)
    dstates         gradient of the last state, each (N, H), replaced by that of the initial state
    dbs             scratch (chunks, G·H) for the parts of db
    """

    groups: Any
    dhs: Any
    Wx: Any
    Wh: Any
    x: Any
    values: Any
    places: Any
    sums: Any
    a: Any
    states: Any
    saved: Any
    multiplied: Any
    dxs: Any
    dvalues: Any
    dstates: Any
    dbs: Any
    dWx: Any
    dWh: Any
    db: Any
    operands: Any
    units: Any
    lhs_buffer: Any
    rhs_buffer: Any


class Operand(NamedTuple):
    """The packed right operand of one product of the time loop, and what chunks need to multiply with it.

    panels   (copies, column groups, …): W_h or W_hᵀ packed once for all chunks, or once for each chunk
    columns  (chunks, column groups, 2): first column and number of columns, of the array that the product is added to
    gates    (2,): first column and number of columns of W_h
    scratch  (chunks, streams, …): the left operand of a step as pairs of bfloat16; without elements in float32
    """

    panels: Any
    columns: Any
    gates: Any
    scratch: Any


class Product(NamedTuple):
    """One chunk's views of an `Operand`."""

    panels: Any
    columns: Any
    scratch: Any


class StepsForward(NamedTuple):
    """One chunk's group of streams in the forward pass, for `FusedCell.steps`; n streams.

    products  a `Product` for every operand; b (G·H,); a (T, n, ≥G·H); states, each (T+1, n, H), the initial state at 0;
    saved, each (T, n, H)
    """

    products: Any
    b: Any
    a: Any
    states: Any
    saved: Any


class StepsBackward(NamedTuple):
    """One chunk's group of streams in the backward pass, for `FusedCell.steps_backward`; n streams.

    products  a `Product` for every operand, transposed; db (G·H,); a, states, saved as in `StepsForward`;
    dstates, each (n, H): the gradient of the last state, replaced by that of the initial one; dhs (n, T, H)
    """

    products: Any
    db: Any
    a: Any
    states: Any
    saved: Any
    dstates: Any
    dhs: Any


@inlined
def add_product(x: Any, product: Any, total: Any) -> None:
    """total (n, …) += x (n, K) times the chunk's columns of the packed operand."""
    step_gemm(
        pointer_to(x, 0), x.strides[0] // 4, x.shape[0], x.shape[1], product.panels, product.columns,
        pointer_to(total, 0), total.strides[0] // 4, product.scratch,
    )  # fmt: skip


@inlined
def group_of(rows: Any, N: Any, group: Any, groups: Any) -> Any:
    """A group's part (steps, its streams, M) of the rows (steps · N, M) of all groups."""
    steps = rows.shape[0] // N
    first, last = stream_range(N, group, groups)
    return rows[steps * first : steps * last].reshape((steps, last - first, rows.shape[1]))


@inlined
def stages_of(round: Any, stages: Any, shared: Any) -> Any:
    """First stage of a round and the one after its last: a single one if the time loop is shared, else all."""
    if not shared:
        return 0, stages
    return min(max(round, 0), stages), min(max(round + 1, 0), stages)


@inlined
def pack_own(operand: Any, W: Any, transposed: Any, chunk: Any) -> None:
    """Where every chunk has panels of its own, pack those of this chunk out of W_h."""
    panels, columns, gates = operand.panels, operand.columns, operand.gates
    if len(panels) == 1:
        return
    stride = W.strides[0] // 4
    for g in range(columns.shape[1]):
        (first, count), own = columns[chunk, g], panels[chunk, g]
        if transposed:
            pack_rhs_transposed(pointer_to(W, first * stride + gates[0]), stride, gates[1], count, own)
        else:
            pack_rhs(pointer_to(W, first), stride, len(W), count, own)


@inlined
def _product(operand: Any, chunk: Any) -> Any:
    panels, columns, _gates, scratch = operand
    return Product(panels[chunk if len(panels) > 1 else 0], columns[chunk], scratch[chunk])


# Numba has no loop that makes a tuple, so there is one function for each length.


def products_of(operands: Any, chunk: Any) -> Any:
    """One chunk's `Product`s."""


@overload(products_of)
def _products_of(operands: Any, chunk: Any) -> Any:
    def one(operands: Any, chunk: Any) -> Any:
        return (_product(operands[0], chunk),)

    def two(operands: Any, chunk: Any) -> Any:
        return _product(operands[0], chunk), _product(operands[1], chunk)

    return {1: one, 2: two}[len(operands)]


def groups_of(arrays: Any, N: Any, group: Any, groups: Any) -> Any:
    """`group_of` of each array."""


@overload(groups_of)
def _groups_of(arrays: Any, N: Any, group: Any, groups: Any) -> Any:
    def none(arrays: Any, N: Any, group: Any, groups: Any) -> Any:
        return ()

    def one(arrays: Any, N: Any, group: Any, groups: Any) -> Any:
        return (group_of(arrays[0], N, group, groups),)

    def two(arrays: Any, N: Any, group: Any, groups: Any) -> Any:
        return group_of(arrays[0], N, group, groups), group_of(arrays[1], N, group, groups)

    def three(arrays: Any, N: Any, group: Any, groups: Any) -> Any:
        first, second, third = arrays
        return (
            group_of(first, N, group, groups),
            group_of(second, N, group, groups),
            group_of(third, N, group, groups),
        )

    return (none, one, two, three)[len(arrays)]


def slices_of(arrays: Any, own: Any) -> Any:
    """array[own] of each array."""


@overload(slices_of)
def _slices_of(arrays: Any, own: Any) -> Any:
    def one(arrays: Any, own: Any) -> Any:
        return (arrays[0][own],)

    def two(arrays: Any, own: Any) -> Any:
        return arrays[0][own], arrays[1][own]

    return {1: one, 2: two}[len(arrays)]

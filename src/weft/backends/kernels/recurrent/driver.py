"""The two passes of a recurrent layer through a block, once for all cells; a cell adds the loops over its steps.

Forward, in phases (see `threads.parallel`): pack W_h; copy x into rows ordered by time; a = x W_x for all steps; the
time loop, which the cell fills in. Backward: pack W_hᵀ; the time loop from the last step, which leaves da in place of
the gates; then dW_x = Σ xᵀ da and dW_h = Σ (what W_h multiplied)ᵀ da and db = Σ da; then dx = da W_xᵀ. In the
gradients of the weights a chunk is some columns, so that each is written once. In x W_x and dx a chunk is some
columns too, or the rows of some streams if the weights are small.

A cell is one `register` of a `FusedCell`; the folder `cells` has one file for each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from weft.backends.kernels.jit.compile import inlined
from weft.backends.kernels.matmul.gemm import gemm, pack_chunk
from weft.backends.kernels.matmul.partition import column_range, stream_range
from weft.backends.kernels.recurrent.input_projection import (
    exchange_axes,
    gather_inputs,
    input_gradient,
    input_weight_gradient,
    project_inputs,
    scatter_input_gradient,
    unless_deduplicated,
)
from weft.backends.kernels.recurrent.passes import (
    Backward,
    Forward,
    Operand,
    StepsBackward,
    StepsForward,
    group_of,
    groups_of,
    pack_own,
    products_of,
    slices_of,
    stages_of,
)
from weft.backends.kernels.threads.parallel import Phase, parallel_kernel


@dataclass(frozen=True)
class FusedCell:
    """What the passes need to know of a cell.

    name      that of the cell in `weft.layers`
    gates     G, side by side in the columns of W_x, W_h and b
    steps     `steps(s: StepsForward, start, stop, first, count)`: the stages from `start` to `stop`, for the hidden
              units `first` … `first + count - 1`
    steps_backward  `steps_backward(s: StepsBackward, start, stop, first, count)`: the same backward, of one stage more
              than forward: the last one adds what reaches the initial state
    operands  for each product of a step the gates (first, count) whose columns of W_h it has
    saved     number of arrays (T, N, H) that the forward pass saves
    multiplied  for each operand what it multiplies: -1 for h, n for the saved array n
    stages    points of a step at which chunks that divide the hidden units wait for each other
    """

    name: str
    gates: int
    steps: Callable[..., None]
    steps_backward: Callable[..., None]
    operands: tuple[tuple[int, int], ...]
    saved: int = 0
    multiplied: tuple[int, ...] = (-1,)
    stages: int = 1


_cells: dict[str, FusedCell] = {}


def register(cell: FusedCell) -> FusedCell:
    """Make a cell known to the fused kernels, in place of an earlier one of the same name."""
    _cells[cell.name] = cell
    return cell


def fused_cell(name: str) -> FusedCell | None:
    """The cell registered under that name, or None. Import it from `kernels.cells`, which registers weft's own."""
    return _cells.get(name)


@inlined
def pack_operands(chunk: Any, chunks: Any, transposed: Any, p: Any) -> None:
    """A chunk of the panels of W_h, or of W_hᵀ, for every operand."""
    for k in range(len(p.operands)):
        operand = Operand(*p.operands[k])
        first, count = operand.gates
        pack_chunk(p.Wh[:, first : first + count], transposed, operand.panels[0, 0], chunk, chunks)


def pack_weights(chunk: Any, chunks: Any, round: Any, p: Any) -> None:
    """A chunk of the panels of W_h."""
    pack_operands(chunk, chunks, False, p)


def pack_transposed_weights(chunk: Any, chunks: Any, round: Any, p: Any) -> None:
    """A chunk of the panels of W_hᵀ."""
    pack_operands(chunk, chunks, True, p)


def if_packed_once(chunks: Any, p: Any) -> Any:
    """Rounds of packing: 1 if W_h is packed once for all chunks, 0 if every chunk packs its own in the time loop."""
    return 1 if len(p.operands[0][0]) == 1 else 0


@inlined
def copy_rows(source: Any, target: Any) -> None:
    """target (n, M) <- source (n, M)"""
    for n in range(len(source)):
        given, row = source[n], target[n]
        for j in range(given.size):
            row[j] = given[j]


def gradients(chunk: Any, chunks: Any, p: Any) -> None:
    """Some columns of dW_x, dW_h and db."""
    input_weight_gradient(chunk, chunks, p)
    N, T, _H = p.dhs.shape
    other = chunks - 1 - chunk  # reversed: the chunks with more columns of dW_x get fewer of dW_h
    for k in range(len(p.operands)):
        first, count = p.operands[k][2]
        dWh, da, states = p.dWh[:, first : first + count], p.a[:, first : first + count], p.multiplied[k]
        own = slice(*column_range(count, other, chunks))
        for group in range(p.groups):
            begin, end = stream_range(N, group, p.groups)
            start = len(states) // N * begin  # states have T + 1 rows a stream, saved arrays T
            h, rows = states[start : start + T * (end - begin)], slice(T * begin, T * end)
            gemm(
                h, True, len(h), da[rows, own], False, dWh[:, own], group > 0, p.lhs_buffer[chunk],
                p.rhs_buffer[chunk],
            )  # fmt: skip
    first, last = column_range(p.db.size, chunk, chunks)
    p.db[first:last] = 0
    for part in p.dbs:
        for j in range(first, last):
            p.db[j] += part[j]


@cache
def block_passes(cell: FusedCell) -> tuple[Any, Any]:
    """The parallel kernels of a cell's passes, whose arguments are those of `Forward` and of `Backward`."""
    steps, steps_backward, stages_a_step = inlined(cell.steps), inlined(cell.steps_backward), cell.stages

    def rounds_forward(chunks: Any, p: Any) -> Any:
        # The first round packs and copies the initial state, the last one copies the results.
        return stages_a_step * p.hs.shape[1] + 2 if p.groups < chunks else 1

    def loop_forward(chunk: Any, chunks: Any, round: Any, p: Any) -> None:
        N, T, _H = p.hs.shape
        shared, stages = p.groups < chunks, stages_a_step * T
        start, stop = stages_of(round - 1, stages, shared)
        group = 0 if shared else chunk
        own = slice(*stream_range(N, group, p.groups))
        states = groups_of(p.states, N, group, p.groups)
        if round == 0:
            for k in range(len(p.operands)):
                pack_own(Operand(*p.operands[k]), p.Wh, False, chunk)
            if group == chunk:
                for k in range(len(states)):
                    copy_rows(p.state_before[k][own], states[k][0])
        s = StepsForward(
            products_of(p.operands, chunk), p.b, group_of(p.a, N, group, p.groups), states,
            groups_of(p.saved, N, group, p.groups),
        )  # fmt: skip
        steps(s, start, stop, p.units[chunk, 0], p.units[chunk, 1])
        if group == chunk and (not shared or round == stages + 1):
            exchange_axes(states[0][1:], p.hs[own])
            for k in range(len(states)):
                copy_rows(states[k][-1], p.state_after[k][own])

    def rounds_backward(chunks: Any, p: Any) -> Any:
        return stages_a_step * p.dhs.shape[1] + 1 if p.groups < chunks else 1

    def loop_backward(chunk: Any, chunks: Any, round: Any, p: Any) -> None:
        N, T, _H = p.dhs.shape
        shared = p.groups < chunks
        start, stop = stages_of(round, stages_a_step * T + 1, shared)
        group = 0 if shared else chunk
        own = slice(*stream_range(N, group, p.groups))
        if round == 0:
            for k in range(len(p.operands)):
                pack_own(Operand(*p.operands[k]), p.Wh, True, chunk)
            p.dbs[chunk] = 0
        s = StepsBackward(
            products_of(p.operands, chunk), p.dbs[chunk], group_of(p.a, N, group, p.groups),
            groups_of(p.states, N, group, p.groups), groups_of(p.saved, N, group, p.groups),
            slices_of(p.dstates, own), p.dhs[own],
        )  # fmt: skip
        steps_backward(s, start, stop, p.units[chunk, 0], p.units[chunk, 1])

    forward = parallel_kernel(
        f"{cell.name}_forward", Forward._fields, Phase(pack_weights, if_packed_once), Phase(gather_inputs),
        Phase(project_inputs), Phase(loop_forward, rounds_forward),
    )  # fmt: skip
    backward = parallel_kernel(
        f"{cell.name}_backward", Backward._fields, Phase(pack_transposed_weights, if_packed_once),
        Phase(loop_backward, rounds_backward), Phase(gradients), Phase(input_gradient),
        Phase(scatter_input_gradient, unless_deduplicated),
    )  # fmt: skip
    return forward, backward

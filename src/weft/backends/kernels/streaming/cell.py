"""A cell for streaming: its state, and the phases of one step. A new cell is one `register`.

    register(
        StreamingCell(
            name="lstm", state_parts=2, phases=(CellPhase(gates=(0, 1, 2, 3), update=lstm_update),)
        )
    )

A phase is a product, a = b + x W_x + h_{t-1} W_h for some gates, followed by an update of the hidden units, elementwise
in a, the state and the scratch vectors. A cell needs a second phase if a product depends on an update, as the candidate
of the gated recurrent unit does. The plan (`packed_model`) and the dispatch (`step`) are built from what is registered:
each update is compiled into a C function of its own, and its address is a field of the phase's row in the plan.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from llvmlite import ir
from numba import cfunc, types

from weft.backends.kernels.jit.compile import cached_on_disk, intrinsic, source_key
from weft.backends.kernels.jit.pointers import offset
from weft.backends.kernels.streaming.plan import (
    GATE_SUMS_STRIDE,
    PANELS,
    SCRATCH,
    STATE_AFTER,
    STATE_BEFORE,
    STATE_STRIDE,
    WIDTH,
)


@dataclass(frozen=True)
class CellPhase:
    """A product and the update after it.

    gates: the gates that the product computes, by their position in W_x, W_h and b, which have H columns a gate.

    update: an `inlined` function (a, before, after, scratch) for WIDTH hidden units. a: the address of their sums,
    [gate][WIDTH] with the gates in this order; before, after: tuples of the addresses of each part of the state at
    t - 1 and t; scratch: a tuple of the addresses of each scratch vector. All are WIDTH contiguous float32.

    recurrent: the scratch vector that W_h is multiplied with; None for h_{t-1}.
    """

    gates: tuple[int, ...]
    update: Callable[..., None]
    recurrent: int | None = None


@dataclass(frozen=True)
class StreamingCell:
    """A cell by its name in `weft.layers`.

    state_parts: vectors of H units in its state, h first; scratch: vectors of H units that a phase leaves to later
    phases of the same step.
    """

    name: str
    state_parts: int
    phases: tuple[CellPhase, ...]
    scratch: int = 0


_cells: dict[str, StreamingCell] = {}


def register(cell: StreamingCell) -> StreamingCell:
    """Make a cell known to the streaming kernels, in place of an earlier one of the same name."""
    _cells[cell.name] = cell
    return cell


def registered_cell(name: str) -> StreamingCell | None:
    """The cell registered under that name, or None; see `cells.streaming_cell`."""
    return _cells.get(name)


_INTEGERS, _FLOATS = types.CPointer(types.int64), types.CPointer(types.float32)
_UPDATE = types.void(_INTEGERS, _FLOATS, _FLOATS, types.int64, types.int64, types.int64)


@cache
def compiled_update(cell: StreamingCell, phase: CellPhase) -> Any:
    """The update of all units of a chunk as a C function; see `call_update` for its arguments."""
    function = _update_of_chunk(phase.update, cell.state_parts, cell.scratch)
    function.__qualname__ = f"update_{cell.name}_{cell.phases.index(phase)}{source_key(phase.update)}"
    return cached_on_disk(cfunc, function, _UPDATE)


def _update_of_chunk(update: Callable[..., None], state_parts: int, scratch_vectors: int) -> Any:
    def update_chunk(phase, activations, a, N, first, last):  # type: ignore[no-untyped-def]
        stride, a_stride, panels = phase[STATE_STRIDE], phase[GATE_SUMS_STRIDE], phase[PANELS]
        before, after = offset(activations, phase[STATE_BEFORE] * N), offset(activations, phase[STATE_AFTER] * N)
        scratch = offset(activations, phase[SCRATCH] * N)
        for n in range(N):
            for block in range(first, last):
                unit = n * stride + block * WIDTH
                update(
                    offset(a, n * a_stride + (block - first) * panels * WIDTH),
                    vectors(offset(before, unit), N * stride, state_parts),
                    vectors(offset(after, unit), N * stride, state_parts),
                    vectors(offset(scratch, unit), N * stride, scratch_vectors),
                )

    return update_chunk


@intrinsic
def vectors(typing: Any, start: Any, stride: Any, count: Any) -> Any:
    """A tuple of `count` addresses, `stride` elements apart; `count` is a constant."""
    if not isinstance(count, types.IntegerLiteral):
        return None
    given = types.UniTuple(start, count.literal_value)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        start, stride, _count = args
        addresses = [builder.gep(start, [builder.mul(ir.IntType(64)(i), stride)]) for i in range(len(given))]
        return context.make_tuple(builder, given, addresses)

    return given(start, types.int64, count), generate


@intrinsic
def call_update(typing: Any, function: Any, phase: Any, activations: Any, a: Any, N: Any, first: Any, last: Any) -> Any:
    """Call the update at the address `function` for the blocks [first, last) of a chunk, for N streams.

    phase: the address of the phase's row of the plan; a: the address of the gate sums of the chunk.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [context.get_value_type(each) for each in _UPDATE.args])
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), args[1:])
        return context.get_dummy_value()

    return types.void(types.int64, *_UPDATE.args), generate

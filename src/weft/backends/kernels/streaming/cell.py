"""A cell for streaming: its state, and the phases of one step. A new cell is one `register`.

    def lstm_update(a, state, scratch):
        f, g, i, o = sigmoid(a[0]), tanh(a[1]), sigmoid(a[2]), sigmoid(a[3])
        c = f * state[1] + g * i
        return o * tanh(c), c

    register(StreamingCell("lstm", state_parts=2, phases=(CellPhase((0, 1, 2, 3), lstm_update),)))

A phase is a product, a = b + x W_x + h_{t-1} W_h for some gates, followed by the update of every hidden unit. A cell
needs a second phase if a product depends on an update, as the candidate of the gated recurrent unit does; what the
update leaves to it are the scratch vectors. The plan (`packed_model`) and the dispatch (`step`) are built from what is
registered: each update is compiled into a C function of its own, and its address is a field of the phase's row in the
plan.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import register_jitable

from weft.backends.kernels.jit.compile import c_function, full_vectors, intrinsic, source_key
from weft.backends.kernels.jit.pointers import offset, opaque
from weft.backends.kernels.streaming.plan import (
    GATE_SUMS_STRIDE,
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

    update: a function (a, state, scratch) for one hidden unit, of float32: a, its sums, one for each gate in
    this order; state, the parts of its state at t - 1; scratch, what the phase before returned. The last phase returns
    the parts of the state at t, any other phase the scratch values. Constants have to be float32 as well, since Numba
    computes in float64 otherwise.

    recurrent: the scratch vector that W_h is multiplied with; None for h_{t-1}.
    """

    gates: tuple[int, ...]
    update: Callable[..., tuple[Any, ...]]
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


def streaming_cell(name: str) -> StreamingCell | None:
    """The cell registered under that name, or None. Import it from `kernels.cells`, which registers weft's own."""
    return _cells.get(name)


_INTEGERS, _FLOATS = types.CPointer(types.int64), types.CPointer(types.float32)
_UPDATE = types.void(_INTEGERS, _FLOATS, _FLOATS, types.int64, types.int64, types.int64)


@cache
def compiled_update(cell: StreamingCell, phase: CellPhase) -> Any:
    """The update of all units of a chunk as a C function; see `call_update` for its arguments."""
    number = cell.phases.index(phase)
    last = number == len(cell.phases) - 1
    results = cell.state_parts if last else cell.scratch
    # Inlined by Numba: LLVM leaves a call of a larger function as it is, and vectorizes no loop with a call in it.
    update = register_jitable(inline="always")(phase.update)
    function = _update_of_chunk(
        update, len(phase.gates), cell.state_parts, cell.scratch, STATE_AFTER if last else SCRATCH, results
    )
    function.__qualname__ = f"update_{cell.name}_{number}{source_key(phase.update)}"
    return c_function(function, _UPDATE, fastmath={"contract"}, error_model="numpy")


def _update_of_chunk(
    update: Callable[..., Any], gates: int, state_parts: int, scratch_vectors: int, target: int, results: int
) -> Any:
    def update_chunk(phase, activations, a, N, first, last):  # type: ignore[no-untyped-def]
        full_vectors()
        stride, a_stride = phase[STATE_STRIDE], phase[GATE_SUMS_STRIDE]
        before, scratch = offset(activations, phase[STATE_BEFORE] * N), offset(activations, phase[SCRATCH] * N)
        after, buffer, lanes = offset(activations, phase[target] * N), stack_vectors(results), lanes_of_a_block()
        for n in range(N):
            for block in range(first, last):
                sums, unit = offset(a, n * a_stride + (block - first) * gates * WIDTH), n * stride + block * WIDTH
                for i in range(lanes):
                    values = update(
                        load_values(offset(sums, i), WIDTH, gates),
                        load_values(offset(before, unit + i), N * stride, state_parts),
                        load_values(offset(scratch, unit + i), N * stride, scratch_vectors),
                    )
                    store_values(offset(buffer, i), WIDTH, values, results)
                for part in range(results):
                    for i in range(WIDTH):
                        after[part * N * stride + unit + i] = buffer[part * WIDTH + i]

    return update_chunk


@intrinsic
def lanes_of_a_block(typing: Any) -> Any:
    """WIDTH, as a number that LLVM does not know: a loop of known short length is unrolled instead of vectorized."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return opaque(builder, ir.IntType(64)(WIDTH))

    return types.int64(), generate


@intrinsic
def stack_vectors(typing: Any, count: Any) -> Any:
    """The address of stack memory for `count` · WIDTH float32; `count` is a constant.

    Stores to it cannot overlap the values that are loaded, so that LLVM may vectorize.
    """
    if not isinstance(count, types.IntegerLiteral):
        return None

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FloatType()
        memory = cgutils.alloca_once(builder, ir.ArrayType(kind, max(1, signature.args[0].literal_value) * WIDTH))
        return builder.bitcast(memory, kind.as_pointer())

    return _FLOATS(count), generate


@intrinsic
def load_values(typing: Any, start: Any, stride: Any, count: Any) -> Any:
    """A tuple of `count` values in memory, `stride` elements apart; `count` is a constant."""
    if not isinstance(count, types.IntegerLiteral):
        return None
    result = types.UniTuple(start.dtype, count.literal_value)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        start, stride, _count = args
        index = ir.IntType(64)
        values = [builder.load(builder.gep(start, [builder.mul(index(i), stride)])) for i in range(len(result))]
        return context.make_tuple(builder, result, values)

    return result(start, types.int64, count), generate


@intrinsic
def store_values(typing: Any, start: Any, stride: Any, values: Any, count: Any) -> Any:
    """Store a tuple of `count` values, `stride` elements apart."""
    if not isinstance(count, types.IntegerLiteral):
        return None
    if not isinstance(values, types.BaseTuple) or len(values) != count.literal_value:
        raise TypingError(f"an update has to return a tuple of {count.literal_value} float32, not {values}")

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        start, stride, values, _count = args
        for i, kind in enumerate(signature.args[2].types):
            value = context.cast(builder, builder.extract_value(values, i), kind, start_type.dtype)
            builder.store(value, builder.gep(start, [builder.mul(ir.IntType(64)(i), stride)]))
        return context.get_dummy_value()

    start_type = start
    return types.void(start, types.int64, values, count), generate


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

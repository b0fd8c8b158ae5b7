"""A small model's pass over a block as two captured sequences of kernel calls, one forward and one backward.

In a small block the kernels take less time than Python takes between them. For blocks of one shape the layers call
the same kernels on the same arrays, as long as nothing is drawn at random and nothing depends on the ids. The calls of
one pass over a block of zeros are therefore captured. Another block is processed by copying its ids and the current
state into the arrays that the captured kernels read, and replaying the calls. The numbers are those of the layers, bit
for bit.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Hashable, Sequence
from typing import Any, Protocol

from weft.backends.array_types import Array, State
from weft.backends.backend import Backend
from weft.backends.deduplicated_inputs import DeduplicatedInputs
from weft.backends.fused_operations import FusedOperations
from weft.errors import InputError
from weft.loss import Loss

MAX_BYTES = 32_000_000
"""Memory for all captured passes of a model, about. In larger blocks the time between kernels is small."""


class EmbeddingLayer(Protocol):
    """An embedding W (V, D)."""

    backend: Backend
    params: list[Array]
    ids: Array
    """The ids of the last block, whose rows `backward` gives the gradient of."""


class RecurrentLayer(Protocol):
    """A recurrent layer that carries its state from block to block."""

    cell: Any
    params: list[Array]
    grads: list[Array]
    tape: Any
    """What `backward` needs of the last `forward`; without one it raises InputError."""
    dstate: State

    def initial_state(self, N: int, /) -> State: ...

    def set_state(self, *state: Array) -> None: ...


class OutputLayer(Protocol):
    """Scores, softmax and loss."""

    params: list[Array]
    grads: list[Any]
    nats: Array

    def forward(self, hs: Array, ts: Array, /) -> float: ...

    def backward(self) -> Array: ...

    def set_result(self, nats: Array, dhs: Array, tokens: int, /) -> Loss: ...


class RecurrentStack(Protocol):
    """The recurrent layers, one above the other."""

    def backward(self, dys: Array, /) -> Array: ...


class CapturableModel(Protocol):
    """A model whose passes can be captured; see `weft.model.RNNLM`."""

    vocab_size: int
    deduplicated: DeduplicatedInputs | None
    """The inputs of the last block, if they were deduplicated."""

    @property
    def embedding(self) -> EmbeddingLayer: ...

    @property
    def recurrent(self) -> Sequence[RecurrentLayer]: ...

    @property
    def stack(self) -> RecurrentStack: ...

    @property
    def output(self) -> OutputLayer: ...

    @property
    def is_static(self) -> bool:
        """True if a training pass consists of the embedding, the recurrent layers and the full output layer alone."""

    @property
    def state(self) -> tuple[State, ...] | None: ...

    def set_state(self, state: tuple[State, ...] | None, /) -> None: ...

    def zero_state(self, streams: int, /) -> tuple[State, ...]: ...

    def saved_bytes(self, streams: int, steps: int, /) -> int:
        """About how many bytes the layers save of a block for the backward pass."""

    def forward(self, xs: Array, /) -> Array: ...


class CapturedPasses:
    """The captured passes of one model, by block shape. A shape is captured when it occurs twice in a row."""

    def __init__(self) -> None:
        self._passes: dict[Hashable, CapturedPass] = {}
        self._last_shape: tuple[int, ...] = ()
        self.current: CapturedPass | None = None
        """The pass that processed the last block, or None if the layers did."""

    def __reduce__(self) -> tuple[type[CapturedPasses], tuple[()]]:
        """A copy of a model captures passes on its own arrays."""
        return CapturedPasses, ()

    def loss(self, model: CapturableModel, xs: Array, ts: Array) -> Loss | None:
        """`RNNLM.loss` by a captured pass, or None if the layers have to compute it.

        They do for ids out of range and for ignored targets, for which a captured pass has no kernels.
        """
        self.current = None
        if xs.shape != ts.shape or len(xs.shape) != 2 or 0 in xs.shape:
            return None
        repeated, self._last_shape = xs.shape == self._last_shape, xs.shape
        captured = self._pass(model, xs.shape) if repeated else None
        if captured is None or not captured.load(model, xs, ts):
            return None
        loss = captured.loss(model)
        self.current = captured
        return loss

    def _pass(self, model: CapturableModel, shape: tuple[int, int]) -> CapturedPass | None:
        """The captured pass for blocks of a shape, captured now if there is none, or None if it cannot be."""
        fused = model.embedding.backend.fused
        if fused is None or not model.is_static:
            return None
        key = (shape, fused, threading.get_ident())  # a thread must not write to the arrays of another one's pass
        known = self._passes.get(key)
        if known is not None and known.is_current():
            return known
        cells = [layer.cell for layer in model.recurrent]
        if not fused.can_capture(model.embedding.params[0], cells, model.output.params, *shape):
            return None
        size = model.saved_bytes(*shape)
        if size > MAX_BYTES:
            return None
        self._passes.pop(key, None)
        if size + sum(other.size for other in self._passes.values()) > MAX_BYTES:
            self._passes.clear()
        captured = self._passes[key] = CapturedPass(model, fused, *shape)
        return captured


class CapturedPass:
    """A captured pass over blocks (N, T). The state is read from the model's layers and written back to them.

    `size`: about how many bytes its arrays take.
    """

    def __init__(self, model: CapturableModel, fused: FusedOperations, N: int, T: int) -> None:
        self.fused, self.size = fused, model.saved_bytes(N, T)
        self.backend = model.embedding.backend
        xp = self.backend.xp
        lists = [model.embedding.params, model.output.params, model.output.grads]
        for layer in model.recurrent:
            lists += [layer.params, layer.grads]
        self._arrays = [(arrays, index, array) for arrays in lists for index, array in enumerate(arrays)]
        self._ids, self._ts = (xp.zeros((N, T), dtype=xp.int64) for _ in range(2))
        self._flat_ids = xp.reshape(self._ids, (-1,))  # a view
        self._first = model.zero_state(N)
        state = model.state
        try:
            model.set_state(self._first)
            self._capture(model)
        finally:
            model.set_state(state)
        self._can_go_back = False

    def _capture(self, model: CapturableModel) -> None:
        """Capture a pass over a block of zeros, and store the arrays that its kernels write the results to."""
        with self.fused.capture() as capture:
            model.output.forward(model.forward(self._ids), self._ts)
            self._forward = capture.captured()
            self._deduplicated, self._last = model.deduplicated, model.state or ()
            self._nats, self._dhs = model.output.nats, model.output.backward()
            self._dxs = model.stack.backward(self._dhs)
            self._backward = capture.captured()
        self._dfirst = [layer.dstate for layer in model.recurrent]

    def is_current(self) -> bool:
        """True if the model's parameters and gradients are still the arrays that the captured kernels use."""
        return all(arrays[index] is array for arrays, index, array in self._arrays)

    def load(self, model: CapturableModel, xs: Array, ts: Array) -> bool:
        """Copy a block into the captured arrays; False if an id is out of range or a target is ignored."""
        V, copied = model.vocab_size, self.fused.copy_if_in_range
        return copied(xs, V, self._ids) and copied(ts, V, self._ts)

    def loss(self, model: CapturableModel) -> Loss:
        """`RNNLM.loss` of the block that was loaded; raises InputError if the state is of other streams."""
        for layer, first in zip(model.recurrent, self._first, strict=True):
            for part, given in zip(first, layer.initial_state(self._ids.shape[0]), strict=True):
                part[...] = given
        for layer in model.recurrent:
            layer.tape = None
        model.embedding.ids, model.deduplicated = self._flat_ids, self._deduplicated
        self._forward.replay()
        copied = self.backend.xp.asarray
        model.set_state(tuple([tuple([copied(part, copy=True) for part in last]) for last in self._last]))
        self._can_go_back = True
        return model.output.set_result(self._nats, self._dhs, math.prod(self._ids.shape))

    def backward(self, model: CapturableModel) -> Array:
        """The gradient by the embedding's output; the gradients of all other layers' parameters are written.

        (N, T, D), or (U, D) by the `values` of deduplicated inputs. Raises InputError without a `loss` before it.
        """
        if not self._can_go_back:
            raise InputError("backward needs a loss before it")
        self._can_go_back = False  # the backward kernels overwrite the tape
        for layer, dfirst in zip(model.recurrent, self._dfirst, strict=True):
            for part in dfirst:
                part[...] = 0
            layer.dstate = dfirst
        self._backward.replay()
        return self._dxs

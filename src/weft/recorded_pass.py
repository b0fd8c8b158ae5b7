"""A small model's pass through a block, recorded: forward and backward are one call each.

A small block takes less time in its kernels than Python takes to go from layer to layer. The layers do the same in
every block of a shape, as long as nothing is drawn and nothing penalised. So what they call is recorded in a pass
through an empty block, and carried out again for every other block, whose tokens and state are written where the first
pass read them. The numbers are the same, bit for bit.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from weft.backends import Array
from weft.errors import InputError
from weft.layers import Loss

if TYPE_CHECKING:
    from collections.abc import Hashable

    from weft.model import RNNLM

MOST_TOKENS = 200
"""Tokens of a block from which on Python's part is small."""
MOST_SHAPES = 16


class RecordedPasses:
    """The recorded passes of a model, by the shapes of blocks."""

    def __init__(self, model: RNNLM) -> None:
        self.model = model
        self._passes: dict[Hashable, RecordedPass] = {}
        self.current: RecordedPass | None = None
        """The one that has read the last block, if one has."""

    def __getstate__(self) -> dict[str, Any]:
        """A copy of the model has arrays of its own, and has recorded nothing on them."""
        return {"model": self.model, "_passes": {}, "current": None}

    def loss(self, xs: Array, ts: Array) -> Loss | None:
        """`RNNLM.loss`, or None where the layers have to do it themselves."""
        self.current = None
        if xs.shape != ts.shape or len(xs.shape) != 2 or not 0 < math.prod(xs.shape) < MOST_TOKENS:
            return None
        known = self._pass(xs.shape)
        if known is None or not known.reads(xs, ts):
            return None
        self.current = known
        return known.loss()

    def _pass(self, shape: tuple[int, int]) -> RecordedPass | None:
        model, backend = self.model, self.model.embedding.backend
        place = backend.recording_place()
        if place is None or not (
            model.embedding_dropout.ratio == 0 and model.stack.is_bare and model.output.can_record
        ):
            return None
        key = (shape, place)
        known = self._passes.get(key)
        if known is None or not known.is_of_these_arrays():
            cells = [layer.cell for layer in model.recurrent]
            if not backend.can_record(model.embedding.params[0], cells, model.output.params, *shape):
                return None
            if len(self._passes) >= MOST_SHAPES:
                self._passes.clear()
            known = self._passes[key] = RecordedPass(model, *shape)
        return known


class RecordedPass:
    """A pass through blocks (N, T) of a model; its state is taken from the layers and given back to them."""

    def __init__(self, model: RNNLM, N: int, T: int) -> None:
        self.model, self.backend = model, model.embedding.backend
        xp = self.backend.xp
        self._arrays = [
            (arrays, index, array)
            for layer in (model.embedding, *model.recurrent, model.output)
            for arrays in ((layer.params, layer.grads) if layer is not model.embedding else (layer.params,))
            for index, array in enumerate(arrays)
        ]
        self._ids, self._ts = (xp.zeros((N, T), dtype=xp.int64) for _ in range(2))
        state = model.state
        self._before = model.zero_state(N)
        model.set_state(self._before)
        with self.backend.recording() as recorder:
            self._xs = model.embedding.forward(self._ids)
            model.output.forward(model.stack.forward(self._xs), self._ts)
            self._forward = recorder.taken()
            self._flat_ids = model.embedding.ids
            self._after = [layer.state_before(self._xs) for layer in model.recurrent]
            self._nats, self._dhs = model.output.nats, model.output.backward()
            self._dxs = model.stack.backward(self._dhs)
            self._backward = recorder.taken()
        self._dfirst = [layer.dstate for layer in model.recurrent]
        model.set_state(state)
        self._has_read = False

    def is_of_these_arrays(self) -> bool:
        """Whether the model still has the arrays that the recorded kernels read and write."""
        return all(arrays[index] is array for arrays, index, array in self._arrays)

    def reads(self, xs: Array, ts: Array) -> bool:
        """Take over a block, where all its targets are to be counted."""
        V, copied = self.model.vocab_size, self.backend.copy_within
        return copied(xs, V, self._ids) and copied(ts, V, self._ts)

    def loss(self) -> Loss:
        """`RNNLM.loss` of the block that was taken over."""
        model = self.model
        for layer, before in zip(model.recurrent, self._before, strict=True):
            state = layer.state_before(self._xs)
            for part, given in zip(before, state, strict=True):
                part[...] = given
        for layer in model.recurrent:
            layer.forget_block()
        model.embedding.take_again(self._flat_ids)
        self._forward.carry_out()
        copied = self.backend.xp.asarray
        model.set_state(tuple([tuple([copied(part, copy=True) for part in after]) for after in self._after]))
        model.stack.penalty = 0.0
        self._has_read = True
        return model.output.take_again(self._nats, self._dhs, math.prod(self._ids.shape))

    def backward(self) -> Array:
        """The gradient by what the embedding gave, (N, T, D); those of the layers' parameters are written."""
        if not self._has_read:
            raise InputError("backward needs a loss before it")
        self._has_read = False
        for layer, dfirst in zip(self.model.recurrent, self._dfirst, strict=True):
            for part in dfirst:
                part[...] = 0
            layer.take_dstate(dfirst)
        self._backward.carry_out()
        return self._dxs

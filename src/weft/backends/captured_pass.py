"""A small model's pass through a block, recorded: forward and backward are one call each.

A small block takes less time in its kernels than Python takes to go from layer to layer. The layers do the same in
every block of a shape, as long as nothing is drawn and nothing penalised. So what they call is recorded in a pass
through an empty block, and carried out again for every other block, whose tokens and state are written where the first
pass read them. The numbers are the same, bit for bit.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from weft.backends import Array
from weft.errors import InputError
from weft.loss import Loss

if TYPE_CHECKING:
    from collections.abc import Hashable

    from weft.model import RNNLM

MOST_BYTES = 32_000_000
"""What all passes of a model keep, about. In larger blocks Python's part is small."""


class CapturedPasses:
    """The recorded passes of a model, by the shapes of blocks: of those that came twice in a row."""

    def __init__(self) -> None:
        self._passes: dict[Hashable, CapturedPass] = {}
        self._last_shape: tuple[int, ...] = ()
        self.current: CapturedPass | None = None
        """The one that has read the last block, if one has."""

    def loss(self, model: RNNLM, xs: Array, ts: Array) -> Loss | None:
        """`RNNLM.loss`, or None where the layers have to do it themselves."""
        self.current = None
        if xs.shape != ts.shape or len(xs.shape) != 2 or 0 in xs.shape:
            return None
        embedding = model.embedding
        again, self._last_shape = xs.shape == self._last_shape, xs.shape
        depends_on_ids = embedding.may_repeat(xs) and not embedding.has_few_rows(xs)
        known = None if depends_on_ids or not again else self._pass(model, xs.shape)
        if known is None or not known.reads(model, xs, ts):
            return None
        loss = known.loss(model)
        self.current = known
        return loss

    def _pass(self, model: RNNLM, shape: tuple[int, int]) -> CapturedPass | None:
        backend = model.embedding.backend
        place = backend.capture_key()
        if place is None or not (
            model.embedding_dropout.ratio == 0 and model.stack.is_bare and model.output.can_capture
        ):
            return None
        key = (shape, place)
        known = self._passes.get(key)
        if known is None or not known.is_of_these_arrays():
            cells = [layer.cell for layer in model.recurrent]
            if not backend.can_capture(model.embedding.params[0], cells, model.output.params, *shape):
                return None
            size = model.kept_bytes(*shape)
            if size > MOST_BYTES:
                return None
            self._passes.pop(key, None)
            if size + sum(other.size for other in self._passes.values()) > MOST_BYTES:
                self._passes.clear()
            known = self._passes[key] = CapturedPass(model, *shape)
        return known


class CapturedPass:
    """A pass through blocks (N, T) of a model; its state is taken from the layers and given back to them.

    `size`: about how many bytes it keeps.
    """

    def __init__(self, model: RNNLM, N: int, T: int) -> None:
        self.backend, self.size = model.embedding.backend, model.kept_bytes(N, T)
        xp = self.backend.xp
        lists = [model.embedding.params]
        for layer in (*model.recurrent, model.output):
            lists += [layer.params, layer.grads]
        self._arrays = [(arrays, index, array) for arrays in lists for index, array in enumerate(arrays)]
        self._ids, self._ts = (xp.zeros((N, T), dtype=xp.int64) for _ in range(2))
        self._before = model.zero_state(N)
        state = model.state
        try:
            model.set_state(self._before)
            self._record(model)
        finally:
            model.set_state(state)
        self._has_read = False

    def _record(self, model: RNNLM) -> None:
        """Record a pass through the empty block, and take note of the arrays in which it leaves what it finds."""
        with self.backend.capturing() as capture:
            model.output.forward(model.forward(self._ids), self._ts)
            self._forward = capture.captured()
            self._read = model.embedding.last_read
            self._after = [layer.state_before(self._ids) for layer in model.recurrent]
            self._nats, self._dhs = model.output.nats, model.output.backward()
            self._dxs = model.stack.backward(self._dhs)
            self._backward = capture.captured()
        self._dfirst = [layer.dstate for layer in model.recurrent]

    def is_of_these_arrays(self) -> bool:
        """Whether the model still has the arrays that the recorded kernels read and write."""
        return all(arrays[index] is array for arrays, index, array in self._arrays)

    def reads(self, model: RNNLM, xs: Array, ts: Array) -> bool:
        """Take over a block, where all its targets are to be counted."""
        V, copied = model.vocab_size, self.backend.copy_if_in_range
        return copied(xs, V, self._ids) and copied(ts, V, self._ts)

    def loss(self, model: RNNLM) -> Loss:
        """`RNNLM.loss` of the block that was taken over."""
        for layer, before in zip(model.recurrent, self._before, strict=True):
            state = layer.state_before(self._ids)
            for part, given in zip(before, state, strict=True):
                part[...] = given
        for layer in model.recurrent:
            layer.forget_block()
        model.embedding.take_again(self._read)
        self._forward.replay()
        copied = self.backend.xp.asarray
        model.set_state(tuple([tuple([copied(part, copy=True) for part in after]) for after in self._after]))
        model.stack.penalty = 0.0
        self._has_read = True
        return model.output.take_again(self._nats, self._dhs, math.prod(self._ids.shape))

    def backward(self, model: RNNLM) -> Array:
        """The gradient by what the embedding gave, (N, T, D); those of the layers' parameters are written."""
        if not self._has_read:
            raise InputError("backward needs a loss before it")
        self._has_read = False
        for layer, dfirst in zip(model.recurrent, self._dfirst, strict=True):
            for part in dfirst:
                part[...] = 0
            layer.take_dstate(dfirst)
        self._backward.replay()
        return self._dxs

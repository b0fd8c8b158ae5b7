"""StreamingModel: a model frozen for inference, one token a stream at a time.

A step at batch 1 multiplies one row with every weight, so that reading the weights is nearly all it costs. Here they
are packed once, in the order in which a step reads them, and in fewer bits if asked for:

    weights     bytes a weight      what a weight becomes (`weft.backends.quantization`)
    float32     4                   itself
    bfloat16    2                   the nearest of 8 bits of mantissa
    int8        1                   the nearest of 255 multiples of its column's largest / 127

Biases, hidden states and all sums stay float32. Several streams in one step share the reading.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from weft.backends.cpu_cores import available_cores
from weft.backends.fused import why_not_fused
from weft.backends.quantization import check_weights, restored, rounded
from weft.errors import InputError, nearest
from weft.model import RNNLM, ModelState

if TYPE_CHECKING:
    from weft.backends.kernels.streaming.engine import StreamingEngine

KERNELS = ("auto", "fused", "plain")
FUSED_CELLS = ("rnn", "lstm", "gru")
BYTES_A_THREAD = 2**20
"""Weights that are worth a thread of their own: reading them takes longer than meeting."""

MOST_THREADS = 8
BYTES = {"float32": 4, "bfloat16": 2, "int8": 1}


class StreamingModel:
    """The weights of a model as they are now; what happens to the model afterwards does not change this one.

    weights: "float32", "bfloat16" or "int8". kernels: "fused" steps in one call of compiled code, "plain" takes the
    steps of `RNNLM` on the rounded weights, "auto" is fused where that can be. threads: of the kernels; by default as
    many as there are cores and the weights are worth. Raises InputError for values that are none of these, for a model
    that is not float32 or not finite, and where "fused" cannot be.

    model: the rounded weights as an `RNNLM`, for whole blocks; to be read, not changed.
    """

    def __init__(
        self, model: RNNLM, weights: str = "float32", *, kernels: str = "auto", threads: int | None = None
    ) -> None:
        check_weights(weights)
        if kernels not in KERNELS:
            raise InputError(f"kernels must be one of {', '.join(KERNELS)}, got {kernels!r}{nearest(kernels, KERNELS)}")
        if threads is not None and threads < 1:
            raise InputError(f"threads must be at least 1, got {threads}")
        if any(parameter.dtype != np.float32 for parameter in model.params):
            raise InputError("only a float32 model can be streamed; make it with dtype='float32'")
        self.weights, self.vocab_size = weights, model.vocab_size
        self.model = _rounded_copy(model, weights)
        self._kernels, self._threads = kernels, threads
        self._engine: StreamingEngine | None = None
        self._state_sizes = [part.shape[1] for layer_state in self.zero_state(0) for part in layer_state]
        if kernels == "fused" and (reason := self._why_not_fused()):
            raise InputError(f"the streaming kernels cannot be used: {reason}; use the plain ones")

    def step(self, ids: Any, state: ModelState) -> tuple[NDArray[np.float32], ModelState]:
        """One token a stream: ids (N,) and the state before it -> scores (N, V) of the next token, and the state after.

        P(next = v) is the softmax of the scores. Pure, as `RNNLM.step`: the arrays that come back are new ones, and on
        the kernels a stream's numbers do not depend on those beside it, to the last bit. Raises InputError for ids
        outside [0, V) and for a state of other shapes.
        """
        engine = self._engine or self._packed()
        ids = np.ascontiguousarray(ids, dtype=np.int64)
        if ids.ndim != 1:
            raise InputError(f"ids must have shape (N,), got {ids.shape}")
        before = [part for layer_state in state for part in layer_state]
        shapes = [(len(ids), size) for size in self._state_sizes]
        if [part.shape for part in before] != shapes:
            given, needed = (", ".join(map(str, each)) for each in ([part.shape for part in before], shapes))
            raise InputError(f"a step of {len(ids)} streams needs states of shapes {needed}, got {given}")
        if engine is None:
            return self.model.step(ids, state)
        scores, after = engine.step(ids, np.array(before, np.float32))
        parts = iter(after)
        return scores, tuple(tuple([next(parts) for _ in layer_state]) for layer_state in state)

    def zero_state(self, streams: int) -> ModelState:
        """The state of `streams` streams that have read nothing."""
        return self.model.zero_state(streams)

    @property
    def threads(self) -> int:
        """How many threads take part in a step of the kernels."""
        weights = sum(parameter.size for parameter in self.model.params)
        worth = 1 + weights * BYTES[self.weights] // BYTES_A_THREAD
        return self._threads or min(worth, available_cores(), MOST_THREADS)

    def _packed(self) -> StreamingEngine | None:
        """The weights as the kernels want them, packed when first needed; None where the kernels cannot run."""
        if self._kernels == "plain":
            return None
        affine = self.model.output.affine
        if affine is None or self._why_not_fused() is not None:
            self._kernels = "plain"
            return None
        from weft.backends.kernels.streaming.engine import StreamingEngine

        model = self.model
        layers = [(Wx, Wh, b) for Wx, Wh, b in (layer.params for layer in model.recurrent)]
        W, bias = affine
        tied = None if model.tied else W
        self._engine = StreamingEngine(
            self.weights, self._cell, model.embedding.params[0], layers, tied, bias, self.threads
        )
        return self._engine

    @property
    def _cell(self) -> str:
        return self.model.recurrent[0].cell.name

    def _why_not_fused(self) -> str | None:
        if self._cell not in FUSED_CELLS:
            return f"there is none for the cell {self._cell!r}"
        if self.model.output.affine is None:
            return f"there is none for the output {self.model.output.kind!r}"
        if not self.model.stack.is_plain:
            return "there is none for layers of several sizes or with residual connections"
        return why_not_fused()


def join_states(states: list[ModelState]) -> ModelState:
    """The states of several sessions, one after another, as that of one batch."""
    if not states:
        raise InputError("there is no state to join")
    return tuple(
        tuple(np.concatenate(parts) for parts in zip(*layer_states, strict=True))
        for layer_states in zip(*states, strict=True)
    )


def split_state(state: ModelState) -> list[ModelState]:
    """The state of a batch of N streams as N states of one."""
    streams = state[0][0].shape[0]
    return [
        tuple(tuple(part[n : n + 1].copy() for part in layer_state) for layer_state in state) for n in range(streams)
    ]


def _rounded_copy(model: RNNLM, weights: str) -> RNNLM:
    parameters = {}
    for name, parameter in model.named_parameters().items():
        axis = 1 if name == "embedding.W" or (name == "output.W" and model.output.by_rows) else 0
        matrix = parameter.ndim == 2
        if not np.isfinite(parameter).all():
            raise InputError(f"{name} is not finite: a model that has run off cannot be streamed")
        parameters[name] = restored(*rounded(parameter, weights, axis), axis) if matrix else parameter.copy()
    return model.with_parameters(parameters)

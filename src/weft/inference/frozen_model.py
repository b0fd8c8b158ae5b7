"""StreamingModel: a model frozen for inference, which reads one token per stream in each step.

A step at batch size 1 multiplies one row with every weight, so reading the weights is nearly its whole cost. The
weights are packed once, in the order in which a step reads them, and optionally with fewer bits:

    weights     bytes per weight    rounded to (`weft.backends.quantization`)
    float32     4                   itself
    bfloat16    2                   the nearest value with 8 bits of mantissa
    int8        1                   the nearest of 255 multiples of (the column's largest magnitude / 127)

Biases, hidden states and sums remain float32. All streams of a step share the reading of the weights.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from weft.backends import default_backend, token_ids
from weft.backends.cpu_cores import available_cores
from weft.backends.fused import saying_when_compiling, why_not_fused
from weft.backends.quantization import check_weights, restored, rounded
from weft.errors import InputError, nearest
from weft.layers.layer import check_shape
from weft.model import RNNLM
from weft.model.steps import ModelState, check_state

if TYPE_CHECKING:
    from weft.backends.kernels.streaming.cell import StreamingCell
    from weft.backends.kernels.streaming.engine import StreamingEngine

KERNELS = ("auto", "fused", "plain")
BYTES_PER_THREAD = 2**20
"""Bytes of weights from which on one more thread saves more time than its synchronization costs."""

MAX_THREADS = 8
_log = logging.getLogger("weft")

WEIGHT_BYTES = {"float32": 4, "bfloat16": 2, "int8": 1}


class StreamingModel:
    """A copy of a model's weights, rounded and frozen; later changes of the model do not change it.

    weights: "float32", "bfloat16" or "int8". kernels: "fused" runs a step as one call of compiled code, "plain" runs
    `RNNLM.step` on the rounded weights, "auto" is fused where that is possible. threads: for the fused kernels; by
    default one for each MiB of weights, up to the number of cores and MAX_THREADS.

    Raises InputError for any other value, for a model that is not float32 or not finite, and for "fused" where the
    kernels cannot run.

    model: the rounded weights as an `RNNLM`, to evaluate whole blocks; it must not be changed.
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
        self._state_sizes = self.model.state_sizes
        self._kernels, self._threads = kernels, threads
        self._engine: StreamingEngine | None = None
        if kernels == "fused" and (reason := self._why_not_fused()):
            raise InputError(f"the streaming kernels cannot be used: {reason}; use the plain ones")

    def step(self, ids: Any, state: ModelState) -> tuple[NDArray[np.float32], ModelState]:
        """ids (N,), one token per stream, and the state before it -> scores (N, V) of the next token, and the state.

        P(next = v) is the softmax of the scores. Pure, as `RNNLM.step`: the arrays returned are new. On the fused
        kernels the results of a stream are the same bits whichever other streams are in the batch. Raises InputError
        for ids that are not integers in [0, V), and for a state of other shapes.
        """
        engine = self._engine or self._packed()
        ids = token_ids(default_backend, ids)
        if engine is None or not ids.size:
            return self.model.step(ids, state)
        check_shape("ids", ids, ("N",))
        check_state(state, self._state_sizes, len(ids))
        before = [part for layer_state in state for part in layer_state]
        scores, after = engine.step(np.ascontiguousarray(ids), np.array(before, np.float32))
        parts = iter(after)
        return scores, tuple(tuple([next(parts) for _ in layer_state]) for layer_state in state)

    def zero_state(self, streams: int) -> ModelState:
        """The state of `streams` streams before their first token; raises InputError for a number below 0."""
        return self.model.zero_state(streams)

    def warm_up(self) -> None:
        """Pack the weights and take a step on the fused kernels, so that no later step has to compile them.

        A compilation takes tens of seconds; the logger `weft` announces it with a message of level INFO.
        """
        if self._kernels != "plain" and self._why_not_fused() is None:
            with saying_when_compiling(_log.info):
                self.step([0], self.zero_state(1))

    def __repr__(self) -> str:
        kernels = "fused kernels" if self._engine else f"{self._kernels} kernels"
        return f"StreamingModel({self.model.architecture}, {self.weights} weights, {kernels})"

    def __getstate__(self) -> dict[str, Any]:
        """What copies have: the weights are packed again at their first step."""
        return {**vars(self), "_engine": None}

    @property
    def threads(self) -> int:
        """The number of threads of a step on the fused kernels."""
        weights = sum(parameter.size for parameter in self.model.params)
        useful = 1 + weights * WEIGHT_BYTES[self.weights] // BYTES_PER_THREAD
        return self._threads or min(useful, available_cores(), MAX_THREADS)

    def _packed(self) -> StreamingEngine | None:
        """The engine with the packed weights, made at the first step; None where the kernels cannot run."""
        if self._kernels == "plain":
            return None
        affine = self.model.output.affine
        if affine is None or self._why_not_fused() is not None:
            self._kernels = "plain"
            return None
        from weft.backends.kernels.streaming.engine import StreamingEngine

        model, cell = self.model, self._streaming_cell()
        assert cell is not None, "checked by _why_not_fused"
        layers = [(Wx, Wh, b) for Wx, Wh, b in (layer.params for layer in model.recurrent)]
        W, bias = affine
        output = None if model.tied else W
        self._engine = StreamingEngine(
            self.weights, cell, model.embedding.params[0], layers, output, bias, self.threads
        )
        return self._engine

    def _streaming_cell(self) -> StreamingCell | None:
        from weft.backends.kernels.cells import streaming_cell

        return streaming_cell(self.model.recurrent[0].cell.name)

    def _why_not_fused(self) -> str | None:
        if reason := why_not_fused():
            return reason
        if self._streaming_cell() is None:
            return f"there is none for the cell {self.model.recurrent[0].cell.name!r}"
        if self.model.output.affine is None:
            return f"there is none for the output {self.model.output.kind!r}"
        if not self.model.stack.is_plain:
            return "there is none for layers of several sizes or with residual connections"
        return None


def join_states(states: list[ModelState]) -> ModelState:
    """The states of several streams or batches as the state of one batch, in order; raises InputError for none."""
    if not states:
        raise InputError("there is no state to join")
    return tuple(
        tuple(np.concatenate(parts) for parts in zip(*layer_states, strict=True))
        for layer_states in zip(*states, strict=True)
    )


def split_state(state: ModelState) -> list[ModelState]:
    """The state of a batch of N streams as N states of one stream each."""
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

"""One reading of a text by an adapting model, block by block, and the state that it continues from.

A block is scored with the current weights. Its tokens are then added to the cache, and the weights change after every
`Dynamic.block` tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from weft.adaptation.cache import Cache, Memory, Recall
from weft.adaptation.dynamic_evaluation import Dynamic
from weft.backends import Array, State, backend_of
from weft.errors import TrainingDivergedError
from weft.evaluation.readers import Distributions
from weft.layers.output.sliced import SLICE_BYTES
from weft.model import RNNLM, ModelState
from weft.training.interfaces import NamedArrays

BLOCK = 64
"""Tokens in a block when the weights do not change."""

Ids = NDArray[Any]
Numbers = NDArray[Any]


class AdaptingState(NamedTuple):
    """The state after a text; every field is a tuple of arrays.

    hidden     the states of the layers, in order
    pending    inputs and targets (1, t) since the last update of the weights, then the hidden states at that update
    weights    in the order of `RNNLM.params`
    cache      states (M, H) and the words after them (M,)
    last_step  after a `step`, its input (1, 1) and the input of the output layer (1, 1, H): the target is not known yet
    """

    hidden: State
    pending: State
    weights: State
    cache: State
    last_step: State = ()

    def __repr__(self) -> str:
        cached = self.cache[1].shape[0] if self.cache else 0
        return f"AdaptingState({len(self.hidden)} hidden states, {len(self.weights)} weights, {cached} words cached)"


class Pass:
    """One reading from a state on. The weights are copied before their first change, and not at all without one.

    working: the layers that read; their weights are replaced. trained: the weights that dynamic evaluation decays to.
    """

    def __init__(
        self, working: RNNLM, trained: NamedArrays, dynamic: Dynamic | None, cache: Cache | None, state: AdaptingState
    ) -> None:
        self.working, self.trained, self.dynamic, self.cache = working, trained, dynamic, cache
        self.weights, self.own_weights = state.weights, False
        self.hidden = self._of_layers(state.hidden)
        self.xs, self.ts, *start = state.pending
        self.start = self._of_layers(start)
        self.memory = Memory(*state.cache)
        self.working.set_parameters(self.weights)

    def state(self, last_step: State = ()) -> AdaptingState:
        pending = (self.xs, self.ts, *parts_of(self.start))
        cache = (self.memory.keys, self.memory.words)
        return AdaptingState(parts_of(self.hidden), pending, self.weights, cache, last_step)

    @property
    def room(self) -> int:
        """Tokens that can be read before the next update of the weights."""
        return BLOCK if self.dynamic is None else self.dynamic.block - self.xs.shape[1]

    def block(self, xs: Ids, ts: Ids, measured: Distributions | None) -> Numbers:
        """The reader's numbers (t, K) of the targets ts (1, t), t ≤ `room`."""
        whole = self.dynamic is not None and xs.shape[1] == self.dynamic.block
        if whole:
            hs, logs = self._train(xs, ts, self.hidden)
            self.hidden = self.working.state or self.hidden
        else:
            hs = self.forward(xs)
            logs = self.working.output.log_probabilities(hs, ts) if measured is None else None
        numbers = self._log_probabilities(logs, hs, ts) if measured is None else self._measured(hs, ts, measured)
        if not np.isfinite(numbers[:, 0]).all():
            raise diverged()
        self.remember(hs, ts)
        if self.dynamic is not None and whole:
            self._update(self.dynamic)
        else:
            self.learn(xs, ts)
        return numbers

    def forward(self, xs: Ids) -> Array:
        """The inputs (1, t, H) of the output layer after each of the inputs xs (1, t)."""
        hs, self.hidden = self.working.hidden_states(xs, self.hidden)
        return hs

    def remember(self, hs: Array, ts: Ids) -> None:
        """Add the inputs hs (1, t, H) of the output layer and the words after them, ts (1, t), to the cache."""
        if self.cache is not None:
            self.memory = self.memory.after(backend_of(hs).to_numpy(hs)[0], ts[0], self.cache.size)

    def learn(self, xs: Ids, ts: Ids) -> None:
        """Add inputs and targets (1, t) to the current block, and update the weights once it is complete."""
        if self.dynamic is None:
            return
        self.xs, self.ts = np.concatenate((self.xs, xs), axis=1), np.concatenate((self.ts, ts), axis=1)
        if self.room == 0:
            self._train(self.xs, self.ts, self.start)
            self._update(self.dynamic)

    def distributions(self, hs: Array, ts: Ids) -> Numbers:
        """ln P (t, V) from the inputs hs (1, t, H) of the output layer; ts (1, t): the words at these positions."""
        return np.concatenate([logs for _rows, logs in self._slices(hs, ts)])

    def _train(self, xs: Ids, ts: Ids, start: ModelState) -> tuple[Array, Array]:
        """A forward pass for training over a block: the inputs of the output layer (1, T, H), and ln P (1, T)."""
        self.working.set_state(start)
        hs = self.working.forward(xs)
        self.working.output.forward(hs, ts)
        return hs, 0 - self.working.output.nats

    def _update(self, dynamic: Dynamic) -> None:
        """Update the weights by the gradient of the last training pass, and begin a new block."""
        self.working.backward()
        if not self.own_weights:
            self.weights = tuple(_copy(weight) for weight in self.weights)
            self.working.set_parameters(self.weights)
            self.own_weights = True
            self.optimizer = dynamic.optimizer(self.working.named_parameters(), self.trained)
        self.optimizer.update(self.working.named_gradients(), dynamic.lr)
        self.xs, self.ts, self.start = self.xs[:, :0], self.ts[:, :0], self.hidden

    def _log_probabilities(self, without_cache: Array, hs: Array, ts: Ids) -> Numbers:
        logs: Numbers = backend_of(hs).to_numpy(without_cache)[0].astype(np.float64)
        if self.cache is not None and self.cache.weight:
            recall = self._recall(hs, ts, self.cache)
            logs = self.cache.mixed(logs, recall.of(ts[0]), recall.nonempty)
        return logs[:, None]

    def _measured(self, hs: Array, ts: Ids, measured: Distributions) -> Numbers:
        return np.concatenate([measured.measure(logs, ts[0, rows]) for rows, logs in self._slices(hs, ts)])

    def _slices(self, hs: Array, ts: Ids) -> Iterator[tuple[slice, Numbers]]:
        """ln P of all tokens, a slice of positions at a time, so that memory does not grow with t · V."""
        recall = None if self.cache is None else self._recall(hs, ts, self.cache)
        size = max(1, SLICE_BYTES // (8 * self.working.vocab_size))
        for first in range(0, ts.shape[1], size):
            rows = slice(first, first + size)
            scores = self.working.output.scores(hs[0, rows])
            logs = _log_softmax(backend_of(hs).to_numpy(scores).astype(np.float64))
            if recall is not None and self.cache is not None:
                part = Recall(recall.weights[rows], recall.words, recall.nonempty[rows])
                logs = self.cache.mixed(logs, part.distributions(self.working.vocab_size), part.nonempty)
            yield rows, logs

    def _recall(self, hs: Array, ts: Ids, cache: Cache) -> Recall:
        return self.memory.recall(backend_of(hs).to_numpy(hs)[0], ts[0], cache)

    def _of_layers(self, parts: Sequence[Array]) -> ModelState:
        arrays = iter(parts)
        return tuple(tuple(next(arrays) for _ in layer.cell.state_names) for layer in self.working.recurrent)


def parts_of(state: ModelState) -> State:
    """The parts of the state of every layer, in order."""
    return tuple(part for layer_state in state for part in layer_state)


def _copy(weight: Array) -> Array:
    return backend_of(weight).xp.asarray(weight, copy=True)


def _log_softmax(scores: Numbers) -> Numbers:
    shifted = scores - scores.max(axis=1, keepdims=True)
    result: Numbers = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result


def diverged() -> TrainingDivergedError:
    """The error for probabilities that are not numbers."""
    return TrainingDivergedError(
        "the probabilities are no longer finite numbers: the weights diverged during dynamic evaluation; lower its "
        "learning rate"
    )

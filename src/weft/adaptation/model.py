"""AdaptingModel: a model that adapts to the text it reads, by dynamic evaluation, a continuous cache, or both.

Its state is a value, as that of any other model: besides the hidden states it holds the weights, the tokens since the
last update of the weights, and the cache. One state can be continued by several texts, and no text affects another.
Each reading therefore copies the weights once, before it changes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from weft.adaptation.cache import Cache, Memory, Recall
from weft.adaptation.dynamic_evaluation import Dynamic
from weft.backends import Array, State, backend_of
from weft.errors import InputError, TrainingDivergedError
from weft.evaluation.readers import Distributions, Measures
from weft.evaluation.text_readers import TextReader
from weft.layers.output.sliced import SLICE_BYTES
from weft.model import RNNLM, ModelState

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


class AdaptingModel:
    """`model` with adaptation. `model` itself does not change, and must not be changed while this one is in use.

    dynamic: the rule by which weights change, None for constant weights. cache: None for no cache. Raises InputError if
    both are None.

    `step` and `zero_state` are those of a model, for texts that grow token by token; `read` and `reading` are for whole
    texts. Not thread-safe: all texts are read with one working copy of the layers.
    """

    def __init__(self, model: RNNLM, dynamic: Dynamic | None = None, cache: Cache | None = None) -> None:
        if dynamic is None and cache is None:
            raise InputError("a model adapts by dynamic evaluation, a cache, or both; give one of them")
        self.dynamic, self.cache = dynamic, cache
        self.vocab_size = model.vocab_size
        self.working = model.with_exact_output().unregularized()
        self.trained = self.working.named_parameters()

    def zero_state(self, streams: int) -> AdaptingState:
        """The state before any text. InputError unless `streams` is 1: each stream would need its own weights."""
        if streams != 1:
            raise InputError(f"an adapting model reads one stream, since its weights follow the text; got {streams}")
        hidden = _parts(self.working.zero_state(1))
        none = np.zeros((1, 0), dtype=np.int64)
        keys = backend_of(hidden[0]).to_numpy(self.working.recurrent[-1].cell.zero_state(0)[0])
        return AdaptingState(hidden, (none, none, *hidden), tuple(self.trained.values()), (keys, none[0]))

    @np.errstate(over="ignore", invalid="ignore", divide="ignore")
    def step(self, ids: Array, state: ModelState) -> tuple[Array, AdaptingState]:
        """The next token ids (1,) -> ln P (1, V) of the token after it, and the new state; pure, as `RNNLM.step`.

        `ids` is the target of the step before, so the state keeps that step until now. Raises TrainingDivergedError if
        a probability is not a number.
        """
        before = AdaptingState(*state)
        reading = _Pass(self, before)
        if before.last_step:
            x, hs = before.last_step
            reading.remember(hs, ids[None])
            reading.learn(x, ids[None])
        hs = reading.forward(ids[None])
        logs = reading.distributions(hs, ids[None])
        if np.isnan(logs).any():
            raise _diverged()
        return backend_of(hs).asarray(logs), reading.state((ids[None], hs))

    @np.errstate(over="ignore", invalid="ignore", divide="ignore")
    def read(
        self, xs: Ids, ts: Ids, state: AdaptingState, measured: Distributions | None
    ) -> tuple[Numbers, AdaptingState]:
        """Inputs xs and targets ts (T,), which follow `state` -> the reader's numbers (T, K), and the new state.

        measured: the measures besides ln P; None: ln P alone, K = 1. Raises TrainingDivergedError if ln P of a target
        is not finite.
        """
        reading = _Pass(self, state)
        numbers = [np.zeros((0, 1 if measured is None else measured.width))]
        first = 0
        while first < len(xs):
            last = first + reading.room
            numbers.append(reading.block(xs[None, first:last], ts[None, first:last], measured))
            first = last
        return np.concatenate(numbers), reading.state()

    def reading(self, measures: Measures | None) -> TextReader:
        """The reader of whole texts that computes ln P and `measures`."""
        return AdaptingReader(self, None if measures is None else Distributions(self.working, measures))


class AdaptingReader:
    """Reads texts with adaptation: `running` adapts over the whole text, `separate` within each line."""

    def __init__(self, model: AdaptingModel, measured: Distributions | None) -> None:
        self.model, self.measured = model, measured
        self.width = 1 if measured is None else measured.width

    def running(
        self, chunks: Iterable[Ids], first_id: int, batch_size: int | None = None, block_length: int | None = None
    ) -> Iterator[Numbers]:
        _check_batch(batch_size)
        if block_length is not None:
            raise InputError(
                "an adapting model reads in blocks of its own, after which its weights change; leave the length of "
                f"blocks out, here {block_length}"
            )
        return self._running(chunks, first_id)

    def _running(self, chunks: Iterable[Ids], first_id: int) -> Iterator[Numbers]:
        state, last_id = self.model.zero_state(1), first_id
        for targets in chunks:
            if len(targets):
                inputs = np.concatenate(([last_id], targets[:-1]))
                numbers, state = self.model.read(inputs, np.asarray(targets), state, self.measured)
                yield numbers
                last_id = int(targets[-1])

    def separate(
        self, lines: Iterable[Sequence[int]], first_id: int, batch_size: int | None = None
    ) -> Iterator[Numbers]:
        _check_batch(batch_size)
        return self._separate(lines, first_id)

    def _separate(self, lines: Iterable[Sequence[int]], first_id: int) -> Iterator[Numbers]:
        for line in lines:
            targets = np.asarray(line, dtype=np.int64)
            inputs = np.concatenate(([first_id], targets))[:-1]
            yield self.model.read(inputs, targets, self.model.zero_state(1), self.measured)[0]


class _Pass:
    """One reading from a state on. The weights are copied before their first change, and not at all without one."""

    def __init__(self, model: AdaptingModel, state: AdaptingState) -> None:
        self.model, self.working, self.dynamic, self.cache = model, model.working, model.dynamic, model.cache
        self.weights, self.own_weights = state.weights, False
        self.hidden = self._of_layers(state.hidden)
        self.xs, self.ts, *start = state.pending
        self.start = self._of_layers(start)
        self.memory = Memory(*state.cache)
        self.working.set_parameters(self.weights)

    def state(self, last_step: State = ()) -> AdaptingState:
        pending = (self.xs, self.ts, *_parts(self.start))
        cache = (self.memory.keys, self.memory.words)
        return AdaptingState(_parts(self.hidden), pending, self.weights, cache, last_step)

    @property
    def room(self) -> int:
        """Tokens that can be read before the next update of the weights."""
        return BLOCK if self.dynamic is None else self.dynamic.block - self.xs.shape[1]

    def block(self, xs: Ids, ts: Ids, measured: Distributions | None) -> Numbers:
        """The reader's numbers (t, K) of the targets ts (1, t), t ≤ `room`."""
        whole = self.dynamic is not None and xs.shape[1] == self.dynamic.block
        if whole:
            hs, nats = self._train(xs, ts, self.hidden)
            self.hidden = self.working.state or self.hidden
        else:
            hs = self.forward(xs)
            nats = -self.working.output.log_probabilities(hs, ts) if measured is None else None
        numbers = self._log_probabilities(nats, hs, ts) if measured is None else self._measured(hs, ts, measured)
        if not np.isfinite(numbers[:, 0]).all():
            raise _diverged()
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
        """A forward pass for training over a block: the inputs of the output layer (1, T, H), and the nats (1, T)."""
        self.working.set_state(start)
        hs = self.working.forward(xs)
        self.working.output.forward(hs, ts)
        return hs, self.working.output.nats

    def _update(self, dynamic: Dynamic) -> None:
        """Update the weights by the gradient of the last training pass, and begin a new block."""
        self.working.backward()
        if not self.own_weights:
            self.weights = tuple(_copy(weight) for weight in self.weights)
            self.working.set_parameters(self.weights)
            self.own_weights = True
            self.optimizer = dynamic.optimizer(self.working.named_parameters(), self.model.trained)
        self.optimizer.update(self.working.named_gradients(), dynamic.lr)
        self.xs, self.ts, self.start = self.xs[:, :0], self.ts[:, :0], self.hidden

    def _log_probabilities(self, nats: Array, hs: Array, ts: Ids) -> Numbers:
        logs: Numbers = -backend_of(hs).to_numpy(nats)[0].astype(np.float64)
        if self.cache is not None and self.cache.weight:
            recall = self._recall(hs, ts, self.cache)
            logs = self.cache.mixed(logs, recall.of(ts[0]), recall.nonempty)
        return logs[:, None]

    def _measured(self, hs: Array, ts: Ids, measured: Distributions) -> Numbers:
        return np.concatenate([measured.measure(logs, ts[0, rows]) for rows, logs in self._slices(hs, ts)])

    def _slices(self, hs: Array, ts: Ids) -> Iterator[tuple[slice, Numbers]]:
        """ln P of all tokens, a slice of positions at a time, so that memory does not grow with t · V."""
        recall = None if self.cache is None else self._recall(hs, ts, self.cache)
        size = max(1, SLICE_BYTES // (8 * self.model.vocab_size))
        for first in range(0, ts.shape[1], size):
            rows = slice(first, first + size)
            scores = self.working.output.scores(hs[0, rows])
            logs = _log_softmax(backend_of(hs).to_numpy(scores).astype(np.float64))
            if recall is not None and self.cache is not None:
                part = Recall(recall.weights[rows], recall.words, recall.nonempty[rows])
                logs = self.cache.mixed(logs, part.distributions(self.model.vocab_size), part.nonempty)
            yield rows, logs

    def _recall(self, hs: Array, ts: Ids, cache: Cache) -> Recall:
        return self.memory.recall(backend_of(hs).to_numpy(hs)[0], ts[0], cache)

    def _of_layers(self, parts: Sequence[Array]) -> ModelState:
        arrays = iter(parts)
        return tuple(tuple(next(arrays) for _ in layer.cell.state_names) for layer in self.working.recurrent)


def _parts(state: ModelState) -> State:
    return tuple(part for layer_state in state for part in layer_state)


def _copy(weight: Array) -> Array:
    return backend_of(weight).xp.asarray(weight, copy=True)


def _log_softmax(scores: Numbers) -> Numbers:
    shifted = scores - scores.max(axis=1, keepdims=True)
    result: Numbers = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result


def _check_batch(batch_size: int | None) -> None:
    if batch_size not in (None, 1):
        raise InputError(
            "an adapting model reads one token after another, since each changes what the next is predicted from; "
            f"leave the batch size out, or give 1, not {batch_size}"
        )


def _diverged() -> TrainingDivergedError:
    return TrainingDivergedError(
        "the probabilities are no longer finite numbers: the weights diverged during dynamic evaluation; lower its "
        "learning rate"
    )

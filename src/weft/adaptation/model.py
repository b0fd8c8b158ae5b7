"""AdaptingModel: a model that adapts to the text it reads, by dynamic evaluation, a continuous cache, or both.

Its state is a value, as that of any other model: besides the hidden states it holds the weights, the tokens since the
last update of the weights, and the cache. One state can be continued by several texts, and no text affects another.
Each reading therefore copies the weights once, before it changes them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.adaptation.cache import Cache
from weft.adaptation.dynamic_evaluation import Dynamic
from weft.adaptation.reading_pass import AdaptingState as AdaptingState
from weft.adaptation.reading_pass import Pass, diverged, parts_of
from weft.backends import Array, backend_of, ids_of_text, token_ids
from weft.errors import InputError
from weft.evaluation.readers import Distributions, Measures
from weft.evaluation.text_readers import TextReader
from weft.layers.layer import check_shape
from weft.model import RNNLM, ModelState

Ids = NDArray[Any]
Numbers = NDArray[Any]


class AdaptingModel:
    """`model` with adaptation. `model` itself does not change, and must not be changed while this one is in use.

    dynamic: the rule by which weights change, None for constant weights. cache: None for no cache. Raises InputError if
    both are None.

    `step` and `zero_state` are those of a model, for texts that grow token by token; `read` and `reading` are for whole
    texts. All texts are read with one working copy of the layers, so threads read in turn.
    """

    def __init__(self, model: RNNLM, dynamic: Dynamic | None = None, cache: Cache | None = None) -> None:
        if dynamic is None and cache is None:
            raise InputError("a model adapts by dynamic evaluation, a cache, or both; give one of them")
        self.dynamic, self.cache = dynamic, cache
        self.vocab_size = model.vocab_size
        self.working = model.with_exact_output().unregularized()
        self.trained = self.working.named_parameters()
        self._reading = threading.RLock()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_reading"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._reading = threading.RLock()

    def __repr__(self) -> str:
        return f"AdaptingModel({self.working.architecture}, dynamic={self.dynamic}, cache={self.cache})"

    def zero_state(self, streams: int) -> AdaptingState:
        """The state before any text. InputError unless `streams` is 1: each stream would need its own weights."""
        if streams != 1:
            raise InputError(f"an adapting model reads one stream, since its weights follow the text; got {streams}")
        hidden = parts_of(self.working.zero_state(1))
        none = np.zeros((1, 0), dtype=np.int64)
        keys = backend_of(hidden[0]).to_numpy(self.working.recurrent[-1].cell.zero_state(0)[0])
        return AdaptingState(hidden, (none, none, *hidden), tuple(self.trained.values()), (keys, none[0]))

    @np.errstate(over="ignore", invalid="ignore", divide="ignore")
    def step(self, ids: Array, state: ModelState) -> tuple[Array, AdaptingState]:
        """The next token ids (1,) -> ln P (1, V) of the token after it, and the new state; pure, as `RNNLM.step`.

        `ids` is the target of the step before, so the state keeps that step until now. Raises TrainingDivergedError if
        a probability is not a number.
        """
        ids = token_ids(self.working.embedding.backend, ids)
        check_shape("ids of an adapting model", ids, (1,))
        before = AdaptingState(*state)
        with self._reading:
            reading = self._pass(before)
            if before.last_step:
                x, hs = before.last_step
                reading.remember(hs, ids[None])
                reading.learn(x, ids[None])
            hs = reading.forward(ids[None])
            logs = reading.distributions(hs, ids[None])
        if np.isnan(logs).any():
            raise diverged()
        return backend_of(hs).asarray(logs), reading.state((ids[None], hs))

    @np.errstate(over="ignore", invalid="ignore", divide="ignore")
    def read(
        self, xs: Ids, ts: Ids, state: AdaptingState, measured: Distributions | None
    ) -> tuple[Numbers, AdaptingState]:
        """Inputs xs and targets ts (T,), which follow `state` -> the reader's numbers (T, K), and the new state.

        measured: the measures besides ln P; None: ln P alone, K = 1. Raises TrainingDivergedError if ln P of a target
        is not finite.
        """
        numbers = [np.zeros((0, 1 if measured is None else measured.width))]
        first = 0
        with self._reading:
            reading = self._pass(state)
            while first < len(xs):
                last = first + reading.room
                numbers.append(reading.block(xs[None, first:last], ts[None, first:last], measured))
                first = last
        return np.concatenate(numbers), reading.state()

    def _pass(self, state: AdaptingState) -> Pass:
        return Pass(self.working, self.trained, self.dynamic, self.cache, state)

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
        for chunk in chunks:
            targets = ids_of_text(chunk, self.model.vocab_size)
            if len(targets):
                inputs = np.concatenate(([last_id], targets[:-1]))
                numbers, state = self.model.read(inputs, targets, state, self.measured)
                yield numbers
                last_id = int(targets[-1])

    def separate(
        self, lines: Iterable[Sequence[int]], first_id: int, batch_size: int | None = None
    ) -> Iterator[Numbers]:
        _check_batch(batch_size)
        return self._separate(lines, first_id)

    def _separate(self, lines: Iterable[Sequence[int]], first_id: int) -> Iterator[Numbers]:
        for line in lines:
            targets = ids_of_text(line, self.model.vocab_size)
            inputs = np.concatenate(([first_id], targets))[:-1]
            yield self.model.read(inputs, targets, self.model.zero_state(1), self.measured)[0]


def _check_batch(batch_size: int | None) -> None:
    if batch_size not in (None, 1):
        raise InputError(
            "an adapting model reads one token after another, since each changes what the next is predicted from; "
            f"leave the batch size out, or give 1, not {batch_size}"
        )

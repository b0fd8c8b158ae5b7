"""The models that are compared, by one interface: log-probabilities in a running text, and after a short context."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from weft.evaluation.running_text import running_text
from weft.model import RNNLM
from weft.ngram.model import NGramModel

STREAMS = 16
TOKENS_AT_ONCE = 1 << 14
"""Tokens of contexts in a batch of a recurrent model: enough for fast matrix products, with little memory."""

Ids = NDArray[Any]
Nats = NDArray[np.float64]


class Scorer(Protocol):
    """A language model that can be compared."""

    name: str

    def log_probabilities(self, chunks: Iterable[Ids]) -> Iterator[Nats]:
        """ln P(token | everything before) in nats of every token of a running text, in order, in arrays of any length.

        chunks: its token ids, 1-D arrays; the text is read after a start `<eos>`.
        """

    def after(self, contexts: Ids, targets: Ids) -> Nats:
        """ln P(target | its context alone) in nats (R,); contexts (R, c) and targets (R,) are token ids."""


class RecurrentScorer:
    """An RNNLM. A context is read from the zero state, as the training text was."""

    def __init__(self, name: str, model: RNNLM, eos_id: int) -> None:
        self.name, self.model, self.eos_id = name, model, eos_id

    def log_probabilities(self, chunks: Iterable[Ids]) -> Iterator[Nats]:
        return running_text(self.model, chunks, self.eos_id, STREAMS)

    def after(self, contexts: Ids, targets: Ids) -> Nats:
        rows, length = contexts.shape
        size = max(1, TOKENS_AT_ONCE // max(1, length))
        batches = [slice(first, first + size) for first in range(0, rows, size)]
        return np.concatenate([np.zeros(0), *(self._after(contexts[rows], targets[rows]) for rows in batches)])

    def _after(self, contexts: Ids, targets: Ids) -> Nats:
        backend = self.model.embedding.backend
        state = self.model.zero_state(len(targets))
        if contexts.shape[1]:
            hs, _state = self.model.hidden_states(backend.asarray(contexts), state)
            h = hs[:, -1:, :]
        else:
            h = state[-1][0][:, None, :]  # without context the input of the output layer is the zero state
        nats: Nats = backend.to_numpy(self.model.output.log_probabilities(h, backend.asarray(targets[:, None])))[:, 0]
        return nats


class NGramScorer:
    """An n-gram model; it uses no context before the line."""

    def __init__(self, name: str, model: NGramModel) -> None:
        self.name, self.model = name, model

    def log_probabilities(self, chunks: Iterable[Ids]) -> Iterator[Nats]:
        state = self.model.start()
        for ids in chunks:
            yield self.model.score(ids, state).nats
            state = self.model.state_after(state, ids)

    def after(self, contexts: Ids, targets: Ids) -> Nats:
        length = min(contexts.shape[1], self.model.order - 1)
        # With n-grams no longer than a row, no token depends on the row before: all rows are scored as one text.
        shorter = NGramModel(self.model.tables[: length + 1], self.model.eos_id)
        used = contexts[:, contexts.shape[1] - length :]
        rows = np.concatenate((used, targets[:, None]), axis=1)
        return shorter.score(rows.reshape(-1), ()).nats.reshape(rows.shape)[:, -1]


class UnigramScorer:
    """The unigram model with one added to every count: the frequency of a token without any context."""

    name = "unigram"

    def __init__(self, counts: Sequence[int]) -> None:
        smoothed = np.asarray(counts, dtype=np.float64) + 1
        self.nats: Nats = np.log(smoothed) - math.log(smoothed.sum())

    def log_probabilities(self, chunks: Iterable[Ids]) -> Iterator[Nats]:
        return (self.nats[ids] for ids in chunks)

    def after(self, contexts: Ids, targets: Ids) -> Nats:
        values: Nats = self.nats[targets]
        return values

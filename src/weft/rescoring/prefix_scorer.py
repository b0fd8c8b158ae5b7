"""ln P of many texts at once, what they begin with in common computed once.

The texts are a prefix tree over token ids: its root is the text's start `<eos>`, a node is a prefix that some text
begins with, and an edge costs ln P(token | prefix). The tree is stepped through level by level, all nodes of a depth
side by side, each going on from the state of its parent. The end of a text is scored as the token `<eos>` and is
no node, since nothing follows it. So the model takes one step a distinct prefix, however many texts share it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from weft.backends import Array, State, backend_of
from weft.errors import InputError

SLICE_BYTES = 16 * 2**20
"""Size of the scores that exist at once, in bytes: a level is cut so that a large vocabulary needs no more."""

Ids = NDArray[np.int64]


class StepModel(Protocol):
    """A language model that goes on by a token a stream."""

    def step(self, ids: Array, state: tuple[State, ...]) -> tuple[Array, tuple[State, ...]]:
        """ids (N,) and the states before them -> scores (N, V) of the next token, and the states after."""

    def zero_state(self, streams: int) -> tuple[State, ...]:
        """The state before the first token; arrays are (N, H)."""


class TextEncoder(Protocol):
    """Turns a text into token ids."""

    @property
    def eos_id(self) -> int:
        """The token before and after every text."""

    @property
    def vocab_size(self) -> int:
        """Number V of tokens."""

    def encode_with_oov(self, text: str) -> tuple[list[int], list[bool]]:
        """Token ids, and for each whether it is out of the vocabulary."""


@dataclass(frozen=True)
class TextScore:
    """logprob_nats: ln P(text), its end included; tokens: with the end; oov_tokens: those out of the vocabulary."""

    logprob_nats: float
    tokens: int
    oov_tokens: int


class PrefixScorer:
    """Scores texts by a language model that goes on token by token.

    rows: nodes stepped side by side at most; by default about 16 MB of scores. The numbers do not depend on it.
    """

    def __init__(self, model: StepModel, encoder: TextEncoder, rows: int | None = None) -> None:
        if rows is not None and rows < 1:
            raise InputError(f"rows must be at least 1, got {rows}")
        self._model, self._encoder = model, encoder
        self._rows = rows or max(1, SLICE_BYTES // (4 * encoder.vocab_size))

    def score(self, texts: Sequence[str]) -> list[TextScore]:
        """The score of every text, each read from a fresh start. Memory grows with the texts, not with V."""
        encoded = [self._encoder.encode_with_oov(text) for text in texts]
        nats = self._log_probabilities([[*ids, self._encoder.eos_id] for ids, _oov in encoded])
        return [
            TextScore(float(value), len(ids) + 1, sum(oov)) for value, (ids, oov) in zip(nats, encoded, strict=True)
        ]

    def _log_probabilities(self, sequences: list[list[int]]) -> NDArray[np.float64]:
        lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
        starts = np.cumsum(lengths) - lengths
        tokens = np.array([token for sequence in sequences for token in sequence], dtype=np.int64)
        total = np.zeros(len(sequences))
        ids, parents = np.array([self._encoder.eos_id]), np.array([0])
        state = self._model.zero_state(1)
        texts, nodes = np.arange(len(sequences)), np.zeros(len(sequences), dtype=np.int64)
        for depth in range(int(lengths.max(initial=0))):
            targets = tokens[starts[texts] + depth]
            nats, state = self._level(ids, parents, state, nodes, targets)
            total[texts] += nats
            longer = lengths[texts] > depth + 1
            texts = texts[longer]
            edges, nodes = np.unique(nodes[longer] * self._encoder.vocab_size + targets[longer], return_inverse=True)
            parents, ids = np.divmod(edges, self._encoder.vocab_size)
        return total

    def _level(
        self, ids: Ids, parents: Ids, state: tuple[State, ...], nodes: Ids, targets: Ids
    ) -> tuple[NDArray[np.float64], tuple[State, ...]]:
        """One step of all nodes of a level: ln P(target | node) for every text, and the states of the level.

        ids, parents: of each node, its token and its place in the level above, whose states are `state`.
        nodes, targets: of each text, its node and the token that follows.
        """
        backend = backend_of(state[0][0])
        order = np.argsort(nodes, kind="stable")
        ordered = nodes[order]
        nats, states = np.empty(len(nodes)), []
        for first in range(0, len(ids), self._rows):
            rows = slice(first, first + self._rows)
            before = _taken(state, parents[rows])
            scores, after = self._model.step(backend.asarray(ids[rows]), before)
            states.append(after)
            own = order[np.searchsorted(ordered, first) : np.searchsorted(ordered, first + self._rows)]
            nats[own] = _log_softmax(backend.to_numpy(scores), nodes[own] - first, targets[own])
        return nats, _joined(states)


def _log_softmax(scores: NDArray[Any], rows: Ids, columns: Ids) -> NDArray[np.float64]:
    """Elements (rows, columns) of the log-softmax of scores (R, V)."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    chosen = shifted[rows, columns].astype(np.float64)
    sums = np.exp(shifted, out=shifted).sum(axis=1)
    result: NDArray[np.float64] = chosen - np.log(sums.astype(np.float64))[rows]
    return result


def _taken(state: tuple[State, ...], rows: Ids) -> tuple[State, ...]:
    backend = backend_of(state[0][0])
    index = backend.asarray(rows)
    return tuple(tuple(backend.xp.take(part, index, axis=0) for part in layer) for layer in state)


def _joined(states: list[tuple[State, ...]]) -> tuple[State, ...]:
    if len(states) == 1:
        return states[0]
    concat = backend_of(states[0][0][0]).xp.concat
    return tuple(
        tuple(concat(parts, axis=0) for parts in zip(*layer, strict=True)) for layer in zip(*states, strict=True)
    )

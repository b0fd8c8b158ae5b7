"""ln P of many texts, with one computation for each prefix that several texts share.

The texts form a prefix tree over token ids: the root is the start `<eos>`, a node is a prefix of some text, and an edge
has the value ln P(token | prefix). The tree is processed level by level: all nodes of a depth take one step in a batch,
each from the state of its parent. The end of a text is scored as the token `<eos>` and is not a node, since nothing
follows it. The model therefore takes one step for each distinct prefix.
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
"""Most bytes of scores at one time: a level is cut into slices of this size, whatever the vocabulary."""

Ids = NDArray[np.int64]


class StepModel(Protocol):
    """A language model that takes one token in each stream."""

    def step(self, ids: Array, state: tuple[State, ...]) -> tuple[Array, tuple[State, ...]]:
        """Token ids (N,) and the states before them -> scores (N, V) of the next token, and the states after."""

    def zero_state(self, streams: int) -> tuple[State, ...]:
        """The state before the first token, arrays (N, H) with N = streams."""


class TextEncoder(Protocol):
    """Turns a text into token ids."""

    @property
    def eos_id(self) -> int:
        """The token before and after every text."""

    @property
    def vocab_size(self) -> int:
        """Number V of tokens."""

    def encode_with_oov(self, text: str) -> tuple[list[int], list[bool]]:
        """Token ids, and marks of those out of the vocabulary."""


@dataclass(frozen=True)
class TextScore:
    """logprob_nats: ln P(text) with its end; tokens: their number with the end; oov_tokens: out of the vocabulary."""

    logprob_nats: float
    tokens: int
    oov_tokens: int


class PrefixScorer:
    """Scores texts with a language model that steps token by token.

    rows: most nodes in one step; by default about 16 MB of scores. The numbers do not depend on it. Raises InputError
    for rows below 1.
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

        ids, parents: for each node its token and the index of its parent in the level above, whose states are `state`.
        nodes, targets: for each text its node and the next token.
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
            here = order[np.searchsorted(ordered, first) : np.searchsorted(ordered, first + self._rows)]
            nats[here] = _log_softmax(backend.to_numpy(scores), nodes[here] - first, targets[here])
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

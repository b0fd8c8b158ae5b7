"""NGramModel: a back-off model over token ids, as in an ARPA file.

    log P(w | c) = log p(c w)                  if the n-gram c w is in the model
                   log b(c) + log P(w | c')    if not; c' is c without its first word, b(c) = 1 if c is not in the model

Every line is read after its start `<s>`; no context is carried over from line to line. n-grams that no line contains,
with `<s>` after other words or with words after `</s>`, have no effect.

A back-off weight b(c) may be above 1, so the numbers of a file can give a token more than the probability 1. The model
refuses to: up to 10^SLACK, which the rounding of the numbers explains, is 1, and more is an error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.errors import InputError, quoted
from weft.ngram.counts import Ints, checked_ids

NEVER = -99.0
"""log10 0 in ARPA files."""

SLACK = 1e-3
"""Largest sum of log10 P and log10 back-off weights that is read as 0: some programs write four decimals of each."""

Floats = NDArray[np.float64]
State = tuple[int, ...]
"""The context of the next token: the last tokens of the line, `<s>` included, at most order - 1."""


@dataclass(frozen=True)
class NGramTable:
    """The M n-grams of one order.

    keys                 (M,) sorted: index of the prefix in the table of the order below * (V + 1) + last word
    log10_probabilities  (M,) of the last word after the others
    log10_backoffs       (M,) of the n-gram as a context; empty for the highest order
    """

    keys: Ints
    log10_probabilities: Floats
    log10_backoffs: Floats

    def find(self, keys: Ints) -> Ints:
        """The index of every key; -1 if there is no n-gram with that key."""
        if not len(self.keys):
            return np.full(len(keys), -1)
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[places] == keys, places, -1)


@dataclass(frozen=True)
class NGramScores:
    """nats: (L,) ln P(token | the line before it). lengths: (L,) of the longest n-gram found for each token."""

    nats: Floats
    lengths: Ints


class NGramModel:
    """A back-off n-gram model.

    tables      the n-grams of orders 1 to N; the first has V + 1 rows, one for each token and the last for `<s>`
    eos_id      the token of a line end
    vocab_size  V, without `<s>`
    start_id    the id of `<s>`, which is V
    name        the model in messages
    words       the word of every token for messages; without them a message has the ids
    """

    def __init__(
        self,
        tables: Sequence[NGramTable],
        eos_id: int,
        name: str = "the n-gram model",
        words: Sequence[str] | None = None,
    ) -> None:
        self.tables = tuple(tables)
        self.eos_id = eos_id
        self.name, self.words = name, words
        self.start_id = self.vocab_size = len(tables[0].keys) - 1

    @property
    def order(self) -> int:
        """N, the length of the longest n-grams."""
        return len(self.tables)

    def log_probabilities(self, ids: NDArray[Any]) -> Floats:
        """ln P in nats of every token (L,) of a text that starts with a new line; every `eos_id` ends a line."""
        return self.score(ids).nats

    def score(self, ids: NDArray[Any], state: State | None = None) -> NGramScores:
        """The scores of tokens (L,) after `state`, by default the start of a line.

        Raises InputError for ids that are not in [0, V), a state that is not of one line, and a probability above 1.
        """
        if not len(ids):
            return NGramScores(np.zeros(0), np.zeros(0, dtype=np.int64))
        ids = checked_ids(ids, self.vocab_size)
        before = self.start() if state is None else self._checked(state)
        lines = np.flatnonzero(ids[:-1] == self.eos_id) + 1
        text = np.concatenate((np.array(before, dtype=np.int64), np.insert(ids, lines, self.start_id)))
        starts = np.flatnonzero(text == self.start_id)
        log10s = self.tables[0].log10_probabilities[text]
        lengths = np.ones(len(text), dtype=np.int64)
        found = text
        for n, (below, table) in enumerate(zip(self.tables, self.tables[1:], strict=False), start=2):
            contexts = np.concatenate(([-1], found[:-1]))
            found = table.find(contexts * (self.vocab_size + 1) + text)
            found[starts] = -1  # no context that includes `<s>` begins before it
            backed_off = log10s + _picked(below.log10_backoffs, contexts)
            log10s = np.where(found >= 0, _picked(table.log10_probabilities, found), backed_off)
            lengths[found >= 0] = n
        predicted = np.flatnonzero(text[len(before) :] != self.start_id) + len(before)
        log10s = log10s[predicted]
        if log10s.max() > SLACK:
            place = int(log10s.argmax())
            end = int(predicted[place])
            raise self._improbable(text[max(0, end + 1 - self.order) : end].tolist(), int(text[end]), log10s[place])
        return NGramScores(np.minimum(log10s, 0.0) * math.log(10), lengths[predicted])

    def start(self) -> State:
        """The state before the first token of a line."""
        return (self.start_id,)[: self.order - 1]

    def state_after(self, state: State, ids: Sequence[int] | NDArray[Any]) -> State:
        """The state after `state` and `ids`."""
        if self.order == 1:
            return ()
        for id in np.asarray(ids[-self.order :]).tolist():
            state = self.start() if id == self.eos_id else (*state, id)[1 - self.order :]
        return state

    def next_log_probabilities(self, state: State) -> Floats:
        """ln P(v | state) in nats of all tokens v, (V,).

        Raises InputError for a state that is not of one line, and if the probability of a token is above 1.
        """
        self._checked(state)
        base = self.vocab_size + 1
        log10s = self.tables[0].log10_probabilities.copy()
        for length, (below, table) in enumerate(zip(self.tables, self.tables[1:], strict=False), start=1):
            if length > len(state):
                break
            context = self._index(state[-length:])
            if context >= 0:
                log10s += below.log10_backoffs[context]
                children = slice(*np.searchsorted(table.keys, [context * base, (context + 1) * base]))
                log10s[table.keys[children] % base] = table.log10_probabilities[children]
        log10s = log10s[: self.vocab_size]
        if log10s.max() > SLACK:
            token = int(log10s.argmax())
            raise self._improbable(list(state[max(0, len(state) + 1 - self.order) :]), token, log10s[token])
        nats: Floats = np.minimum(log10s, 0.0) * math.log(10)
        return nats

    def _index(self, words: State) -> int:
        """The index of the n-gram `words` in the table of its order; -1 if it is not there."""
        first, *others = words
        index = first
        for table, word in zip(self.tables[1:], others, strict=False):
            index = int(table.find(np.array([index * (self.vocab_size + 1) + word]))[0])
        return index

    def _checked(self, state: State) -> State:
        """The state; raises InputError unless it can be the end of a line that begins with `<s>`."""
        if not all(0 <= word <= self.start_id for word in state):
            raise InputError(f"a state holds tokens in [0, {self.start_id}], got {quoted(state)}")
        if self.eos_id in state or self.start_id in state[1:]:
            raise InputError(
                f"a state is of one line: {self.start_id}, its start, can only be first, and no token follows "
                f"{self.eos_id}, its end; got {quoted(state)}"
            )
        return state

    def _improbable(self, context: Sequence[int], token: int, log10: float) -> InputError:
        """The error about a probability above 1."""
        after = f" after {self._words(context)}" if context else ""
        return InputError(
            f"{self.name}: the probability of {self._words([token])}{after} is 10^{log10:.4g}, above 1: the back-off "
            "weights do not fit the probabilities"
        )

    def _words(self, ids: Sequence[int]) -> str:
        """Tokens as a message shows them."""
        if self.words is None:
            return " ".join(map(str, ids))
        return quoted(" ".join("<s>" if id == self.start_id else self.words[id] for id in ids), 60)


def _picked(values: Floats, indices: Ints) -> Floats:
    """`values[indices]`, and 0 where the index is -1."""
    return np.where(indices >= 0, values[indices], 0.0) if len(values) else np.zeros(len(indices))

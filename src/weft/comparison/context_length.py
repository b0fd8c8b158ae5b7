"""Perplexity by the length of the context (after Khandelwal, He, Qi & Jurafsky 2018).

    perplexity(c) = exp(-1/R Σ_r ln P(w_r | w_{r-c} … w_{r-1}))        over the same R tokens for every length c

Each of these tokens is predicted from the c tokens before it alone. That costs c steps for each token, so a sample of
the text's tokens is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.backends import random_generator
from weft.comparison.scorers import Nats, Scorer
from weft.errors import InputError
from weft.evaluation.evaluate import Evaluation, summed

CHUNK = 1 << 16

Ids = NDArray[Any]
Marks = NDArray[Any]


@dataclass(frozen=True)
class TextSample:
    """A text of L tokens, and a sample of R of them.

    ids        (L,) token ids; may be a memory map
    oov        (L,) marks of words out of the vocabulary; may be a memory map
    positions  (R,) of the sampled tokens, ascending
    lengths    of the contexts from which each of them is predicted
    """

    ids: Ids
    oov: Marks
    eos_id: int
    positions: NDArray[np.int64]
    lengths: tuple[int, ...]

    @classmethod
    def drawn(cls, ids: Ids, oov: Marks, eos_id: int, size: int, longest: int, seed: int = 1) -> TextSample:
        """Sample `size` of the tokens with enough text before them for the longest context, or all if they are fewer.

        Contexts are at most half as long as the text. Raises InputError for an empty text.
        """
        if not len(ids):
            raise InputError("the text has no token to predict")
        lengths = context_lengths(min(longest, len(ids) // 2))
        first = max(0, lengths[-1] - 1)  # the start <eos> is before the first token
        eligible = len(ids) - first
        chosen = random_generator(seed).choice(eligible, size=min(size, eligible), replace=False)
        return cls(ids, oov, eos_id, first + np.sort(chosen), lengths)

    def contexts(self, length: int) -> Ids:
        """The `length` tokens before each position (R, length), with `<eos>` before the first token of the text."""
        places = self.positions[:, None] - length + np.arange(length)
        return np.where(places < 0, self.eos_id, self.ids[np.maximum(places, 0)]).astype(np.int64)

    def chunks(self) -> Iterator[Ids]:
        """The whole text in chunks of CHUNK tokens."""
        for start in range(0, len(self.ids), CHUNK):
            yield np.asarray(self.ids[start : start + CHUNK], dtype=np.int64)


@dataclass(frozen=True)
class Measured:
    """The losses of a model.

    whole       of the whole text
    sample      of the sampled tokens, each predicted from all tokens before it
    by_context  context length -> of the sampled tokens, each predicted from that many tokens before it
    """

    name: str
    whole: Evaluation
    sample: Evaluation
    by_context: dict[int, Evaluation]


def context_lengths(longest: int) -> tuple[int, ...]:
    """0, 1, 2, 3, 5, 10, 20, 50, 100 and so on, up to `longest`, which is the last."""
    lengths = {0, 3, longest} | {digit * 10**power for power in range(len(str(longest))) for digit in (1, 2, 5)}
    return tuple(sorted(length for length in lengths if length <= longest))


def measure(scorer: Scorer, text: TextSample) -> Measured:
    """The losses of `scorer` on the text."""
    whole, nats = _read(scorer, text)
    oov = np.asarray(text.oov[text.positions], dtype=bool)
    targets = np.asarray(text.ids[text.positions], dtype=np.int64)
    by_context = {length: summed([(scorer.after(text.contexts(length), targets), oov)]) for length in text.lengths}
    return Measured(scorer.name, whole, summed([(nats, oov)]), by_context)


def _read(scorer: Scorer, text: TextSample) -> tuple[Evaluation, Nats]:
    """The loss of the whole text, and the log-probabilities of the sampled tokens."""
    whole = summed([])
    sampled = []
    start = 0
    for nats in scorer.log_probabilities(text.chunks()):
        end = start + len(nats)
        whole = whole.plus(summed([(nats, np.asarray(text.oov[start:end], dtype=bool))]))
        first, last = np.searchsorted(text.positions, [start, end])
        sampled.append(nats[text.positions[first:last] - start])
        start = end
    return whole, np.concatenate(sampled)

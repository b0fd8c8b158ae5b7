"""Kneser-Ney by its definition, with dictionaries in place of arrays: slow, and independent of the package."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache

import numpy as np

from weft.ngram.discounts import FALLBACK, discounts

Gram = tuple[int, ...]


class Definition:
    """The model of lines of token ids, each without its line end, which is token 1; `<s>` is token V."""

    def __init__(self, lines: Sequence[Sequence[int]], vocab_size: int, order: int) -> None:
        self.vocab_size, self.order = vocab_size, order
        self.sentences = [(vocab_size, *line, 1) for line in lines]
        self.adjusted = {n: self._adjusted(n) for n in range(1, order + 1)}

    def occurrences(self, n: int) -> Counter[Gram]:
        grams = Counter(line[i : i + n] for line in self.sentences for i in range(len(line) - n + 1))
        return Counter({gram: count for gram, count in grams.items() if gram != (self.vocab_size,)})

    def _adjusted(self, n: int) -> dict[Gram, int]:
        before: dict[Gram, set[int]] = {}
        for first, *rest in self.occurrences(n + 1):
            before.setdefault(tuple(rest), set()).add(first)
        whole = {gram for gram in self.occurrences(n) if n == self.order or gram[0] == self.vocab_size}
        return {gram: count if gram in whole else len(before[gram]) for gram, count in self.occurrences(n).items()}

    @cache  # noqa: B019 (a test's object is short-lived)
    def discount(self, n: int) -> list[float]:
        return [0.0, *discounts(np.array(list(self.adjusted[n].values())), n, FALLBACK)]

    def probability(self, word: int, context: Gram) -> float:
        """P(word | context), the context at most order - 1 tokens."""
        n = len(context) + 1
        followers = [a for gram, a in self.adjusted[n].items() if gram[:-1] == context]
        if n > 1 and not followers:
            return self.probability(word, context[1:])
        lower = self.probability(word, context[1:]) if n > 1 else 1 / self.vocab_size
        own = self.adjusted[n].get((*context, word), 0)
        taken = sum(self.discount(n)[min(a, 3)] for a in followers)
        return (own - self.discount(n)[min(own, 3)] + taken * lower) / sum(followers)


def ids_of(lines: Sequence[Sequence[int]]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The running text of the lines."""
    return np.array([id for line in lines for id in (*line, 1)], dtype=np.int64)

"""The continuous cache: recent words are likelier the more the model's state resembles the state before them.

    p_cache(v) ∝ Σ_i [v = x_{i+1}] exp(θ h_t · h_i)         P(v) = (1 - λ) p(v) + λ p_cache(v)

over the last n positions i whose next word has been read (Grave, Joulin & Usunier 2017, "Improving neural language
models with a continuous cache"). h_i is the input of the output layer before x_{i+1}. While the cache is empty, P = p.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.errors import InputError

Floats = NDArray[Any]
Ids = NDArray[Any]


@dataclass(frozen=True)
class Cache:
    """size: n, the number of positions. weight: λ in [0, 1). flatness: θ; at 0 all positions have the same weight.

    Raises InputError for a value out of its bounds.
    """

    size: int = 2000
    weight: float = 0.1
    flatness: float = 0.5

    def __post_init__(self) -> None:
        if self.size < 1:
            raise InputError(f"the size of a cache must be at least 1, got {self.size}")
        if not 0 <= self.weight < 1:
            raise InputError(f"the weight of a cache must lie in [0, 1), got {self.weight:g}")
        if not (math.isfinite(self.flatness) and self.flatness >= 0):
            raise InputError(f"the flatness of a cache must be a finite number of at least 0, got {self.flatness:g}")

    def mixed(self, logs: Floats, cached: Floats, nonempty: NDArray[np.bool_]) -> Floats:
        """ln P from ln p and p_cache, two arrays of the same shape (R, ...); nonempty (R,): rows that have a cache."""
        if self.weight == 0:
            return logs
        with np.errstate(divide="ignore"):
            both = np.logaddexp(math.log1p(-self.weight) + logs, math.log(self.weight) + np.log(cached))
        both = np.minimum(both, 0)  # the shares of a word in the cache add up to 1 within rounding only
        result: Floats = np.where(nonempty.reshape(-1, *[1] * (logs.ndim - 1)), both, logs)
        return result


@dataclass(frozen=True)
class Memory:
    """The positions in the cache, oldest first: the states `keys` (M, H) and the words after them, `words` (M,)."""

    keys: Floats
    words: Ids

    def after(self, keys: Floats, words: Ids, size: int) -> Memory:
        """The last `size` positions of these and R more: keys (R, H), words (R,)."""
        return Memory(np.concatenate((self.keys, keys))[-size:], np.concatenate((self.words, words))[-size:])

    def recall(self, hs: Floats, ts: Ids, cache: Cache) -> Recall:
        """The cache before each of the consecutive words ts (R,), which follow the states hs (R, H).

        One matrix product for all words; each uses the memory and the words of ts before it.
        """
        keys, words = np.concatenate((self.keys, hs)), np.concatenate((self.words, ts))
        scores = cache.flatness * (hs @ keys.T).astype(np.float64)
        place, now = np.arange(len(words)), len(self.words) + np.arange(len(ts))[:, None]
        seen = (place < now) & (place >= now - cache.size)
        nonempty: NDArray[np.bool_] = np.any(seen, axis=1)
        largest = np.where(seen, scores, -np.inf).max(axis=1, initial=-np.inf)
        weights = np.exp(np.where(seen, scores - np.where(nonempty, largest, 0)[:, None], -np.inf))
        weights /= np.where(nonempty, weights.sum(axis=1), 1)[:, None]
        return Recall(weights, words, nonempty)


@dataclass(frozen=True)
class Recall:
    """The share (R, M) of each word in the cache (M,) in p_cache at R positions; nonempty (R,): those with a cache."""

    weights: Floats
    words: Ids
    nonempty: NDArray[np.bool_]

    def of(self, targets: Ids) -> Floats:
        """p_cache(target) of every position (R,)."""
        result: Floats = np.where(self.words == targets[:, None], self.weights, 0).sum(axis=1)
        return result

    def distributions(self, vocab_size: int) -> Floats:
        """p_cache(v) of every position and token (R, V)."""
        return np.stack([np.bincount(self.words, weights, vocab_size) for weights in self.weights])

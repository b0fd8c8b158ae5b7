"""Generation: token by token, each drawn from the model's distribution of the next token.

    P(next = v) ∝ exp(score_v / temperature)

over the allowed tokens: those that are not banned, are among the `top_k` most probable, and are in the smallest set of
most probable tokens whose probabilities add up to at least `top_p` (nucleus sampling, Holtzman et al. 2020).
Temperature 0 always takes the most probable token.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.backends import backend_of
from weft.errors import InputError
from weft.model import ModelState, Steps


@dataclass(frozen=True)
class Sampling:
    """The settings of the distribution that the next token is drawn from; see this file's description.

    banned: ids of tokens that are never drawn. Raises InputError for a value out of bounds.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    banned: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise InputError(f"temperature must be a finite number of at least 0, got {self.temperature}")
        if self.top_k is not None and self.top_k < 1:
            raise InputError(f"top-k must be at least 1, got {self.top_k}")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise InputError(f"top-p must lie in (0, 1], got {self.top_p}")

    def distribution(self, scores: NDArray[Any]) -> NDArray[np.float64]:
        """Scores (V,) -> the probabilities (V,) of the next token's draw; raises InputError if all are banned."""
        scores = scores.astype(np.float64)
        scores[list(self.banned)] = -np.inf
        if np.isneginf(scores).all():
            raise InputError("every token is banned: allow at least one")
        if self.temperature == 0:
            return np.equal(np.arange(len(scores)), np.argmax(scores)).astype(np.float64)
        scores = (scores - scores.max()) / self.temperature
        probabilities: NDArray[np.float64] = np.exp(scores)
        probabilities /= probabilities.sum()
        if self.top_k is None and self.top_p is None:
            return probabilities
        order = np.argsort(-scores, kind="stable")
        if self.top_k is not None:
            probabilities[order[self.top_k :]] = 0
            probabilities /= probabilities.sum()
        if self.top_p is not None:
            before = np.cumsum(probabilities[order]) - probabilities[order]
            probabilities[order[before >= self.top_p]] = 0
            probabilities /= probabilities.sum()
        return probabilities


def generate(
    model: Steps, scores: Any, state: ModelState, sampling: Sampling, rng: np.random.Generator
) -> Iterator[int]:
    """Token ids of one stream without end, from the scores (1, V) and the state that `model.step` returned last."""
    while True:
        backend = backend_of(scores)
        token = draw(sampling.distribution(backend.to_numpy(scores)[0]), rng)
        yield token
        scores, state = model.step(backend.asarray(np.array([token])), state)


def draw(probabilities: NDArray[np.float64], rng: np.random.Generator) -> int:
    """An id drawn by inverse transform sampling: the first whose cumulative probability exceeds a uniform number."""
    ends = probabilities.cumsum()
    ends /= ends[-1]
    return int(ends.searchsorted(rng.random(), side="right"))

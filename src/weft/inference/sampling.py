"""Generation: token by token, each drawn from the model's distribution of the next token.

    P(next = v) ∝ exp(score_v / temperature)

over the allowed tokens: those that are not banned, are among the `top_k` most probable, and are in the smallest set of
most probable tokens whose probabilities add up to at least `top_p` (nucleus sampling, Holtzman et al. 2020). With both,
`top_p` is of the distribution over the `top_k`. Of tokens with equal scores, those with lower ids come first.
Temperature 0 always takes the most probable token.

Whether a set reaches `top_p` is decided within the rounding of the scores: with probabilities of .5, .3, .1 and .1, the
first two reach .8 although their sum in floating-point numbers may be below it.
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

EPS = float(np.finfo(np.float64).eps)
MOST_ROUNDING = 1e-3
"""Relative error of a probability at most: temperatures near 0 multiply the rounding errors of scores."""


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
        eps = float(np.finfo(scores.dtype).eps) if scores.dtype.kind == "f" else EPS
        scores = scores.astype(np.float64)
        scores[list(self.banned)] = -np.inf
        if np.isneginf(scores).all():
            raise InputError("every token is banned: allow at least one")
        if self.temperature == 0:
            return np.equal(np.arange(len(scores)), np.argmax(scores)).astype(np.float64)
        with np.errstate(over="ignore"):  # a temperature near 0 makes scores infinite
            largest = np.abs(scores[np.isfinite(scores)]).max() / self.temperature
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
            kept = _tokens_to_reach(self.top_p, probabilities[order], min(eps * (largest + 4), MOST_ROUNDING))
            probabilities[order[kept:]] = 0
            probabilities /= probabilities.sum()
        return probabilities


def _tokens_to_reach(share: float, probabilities: NDArray[np.float64], rounding: float) -> int:
    """How many of the first probabilities (V,) reach a share of their sum, 1, within rounding.

    rounding: the relative error of a probability, as its score is rounded. Errors of δ of the single probabilities
    change the sum p of some of them by at most 2 δ p (1 - p).
    """
    if share == 1:
        return len(probabilities)
    sums = np.cumsum(probabilities)
    slack = 2 * rounding * sums * np.clip(1 - sums, 0, 1) + EPS * len(sums)
    reached = sums >= share - slack
    return int(np.argmax(reached)) + 1 if reached.any() else len(probabilities)


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

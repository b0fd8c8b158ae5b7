"""Accuracies with Wilson's interval, and means with a bootstrap interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

CONFIDENCE = 0.95
RESAMPLES = 2000
_CHUNK = 1 << 20
"""Most numbers that are drawn at once."""


@dataclass(frozen=True)
class Accuracy:
    """How many of `total` independent items are correct."""

    correct: int
    total: int

    @property
    def share(self) -> float | None:
        """correct / total; None without items."""
        return self.correct / self.total if self.total else None

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float] | None:
        """The score interval of Wilson (1927) for the share; None without items.

        With p the share, n the total and z the quantile of the normal distribution at (1 + confidence) / 2, it is

            (p + z²/2n ± z √(p (1 - p) / n + z²/4n²)) / (1 + z²/n)
        """
        if not self.total:
            return None
        n, p = self.total, self.correct / self.total
        z = NormalDist().inv_cdf((1 + confidence) / 2)
        centre, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        low, high = ((centre + sign * half) / (1 + z * z / n) for sign in (-1, 1))
        return (0.0 if self.correct == 0 else low), (1.0 if self.correct == n else high)


def bootstrap_interval(
    values: Sequence[float], confidence: float = CONFIDENCE, resamples: int = RESAMPLES, seed: int = 1
) -> tuple[float, float] | None:
    """The percentile interval of the mean of `values`, which are drawn with replacement; None without values."""
    if not len(values):
        return None
    array, rng = np.asarray(values, dtype=np.float64), np.random.default_rng(seed)
    means = np.empty(resamples)
    rows = max(1, _CHUNK // len(array))
    for start in range(0, resamples, rows):
        count = min(rows, resamples - start)
        means[start : start + count] = array[rng.integers(0, len(array), (count, len(array)))].mean(axis=1)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)

"""Tunes the weights to minimise the word error rate of the best hypotheses of a development list."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from weft.rescoring.line_search import Interval, best_interval, error_intervals, upper_envelope
from weft.rescoring.rescore import RescoredUtterance, totals
from weft.rescoring.weights import TUNED, Weights
from weft.rescoring.word_errors import WordErrors, word_errors
from weft.text.rules import AT_SEPARATORS

UNBOUNDED = ("word_weight",)
"""Weights that may be negative; the weight of a model's score may not."""


@dataclass
class DevelopmentSet:
    """The data for tuning, from a list with references.

    features  for each utterance (hypotheses, 4)
    errors    for each utterance the word errors of its hypotheses
    words     the number of words in all references
    """

    features: list[NDArray[np.float64]] = field(default_factory=list)
    errors: list[list[int]] = field(default_factory=list)
    words: int = 0

    def add(self, rescored: RescoredUtterance, reference: str) -> None:
        """Add an utterance with the word errors of its hypotheses."""
        self.features.append(rescored.features)
        self.errors.append(word_errors(reference, [hypothesis.text for hypothesis in rescored.utterance.hypotheses]))
        self.words += len(AT_SEPARATORS.words(reference))

    def with_weights(self, vector: Sequence[float]) -> WordErrors:
        """The word errors of the hypotheses with the highest totals under these weights."""
        chosen = (int(np.argmax(totals(features, vector))) for features in self.features)
        return WordErrors(sum(errors[best] for best, errors in zip(chosen, self.errors, strict=True)), self.words)

    @property
    def first(self) -> WordErrors:
        """The word errors of the first hypothesis of each utterance."""
        return WordErrors(sum(errors[0] for errors in self.errors), self.words)

    @property
    def oracle(self) -> WordErrors:
        """The word errors of the best possible choice."""
        return WordErrors(sum(min(errors) for errors in self.errors), self.words)


def tune(development: DevelopmentSet, start: Weights, names: Iterable[str]) -> Weights:
    """The weights after coordinate search from `start` over the weights in `names`.

    Each round finds the exact minimum along every weight and moves to the one with the fewest errors; the search ends
    when no minimum has fewer errors than the current weights. It is deterministic. Only the ratios of the weights
    matter, so `names` should leave one of them out.
    """
    vector = list(start.vector())
    errors = development.with_weights(vector).errors
    columns = [TUNED.index(name) for name in names]
    while True:
        minima = [(best_interval(along(development, vector, column)), column) for column in columns]
        for interval, column in sorted(minima, key=lambda found: found[0].errors):
            moved = [*vector[:column], interval.middle, *vector[column + 1 :]]
            # Counted again: where totals differ only by rounding, the order on the envelope may be another one.
            count = development.with_weights(moved).errors
            if count < errors:
                vector, errors = moved, count
                break
        else:
            return start.with_vector(tuple(vector))


def along(development: DevelopmentSet, vector: Sequence[float], column: int) -> list[Interval]:
    """The word errors as a step function of one weight, the others as in `vector`."""
    rest = [*vector[:column], 0.0, *vector[column + 1 :]]
    envelopes = (
        (upper_envelope(totals(features, rest).tolist(), features[:, column].tolist()), errors)
        for features, errors in zip(development.features, development.errors, strict=True)
    )
    return error_intervals(envelopes, -math.inf if TUNED[column] in UNBOUNDED else 0.0)

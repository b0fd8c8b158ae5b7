"""Weights that minimise the word error rate of the best hypotheses of a development list."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from weft.rescoring.line_search import Stretch, least, stretches, upper_envelope
from weft.rescoring.rescore import RescoredUtterance, totals
from weft.rescoring.weights import TUNED, Weights
from weft.rescoring.word_errors import WordErrors, word_errors

UNBOUNDED = ("word_weight",)
"""Weights that may be negative; that of a model's score may not."""


@dataclass
class DevelopmentSet:
    """What tuning needs of a list with references, so that from here on it is arithmetic.

    features: of each utterance (hypotheses, 4); errors: word errors of each hypothesis; words: of all references.
    """

    features: list[NDArray[np.float64]] = field(default_factory=list)
    errors: list[list[int]] = field(default_factory=list)
    words: int = 0

    def add(self, rescored: RescoredUtterance, reference: str) -> None:
        """Count the word errors of an utterance's hypotheses."""
        self.features.append(rescored.features)
        self.errors.append(word_errors(reference, [hypothesis.text for hypothesis in rescored.utterance.hypotheses]))
        self.words += len(reference.split())

    def with_weights(self, vector: Sequence[float]) -> WordErrors:
        """The word errors of the hypotheses that these weights choose."""
        chosen = (int(np.argmax(totals(features, vector))) for features in self.features)
        return WordErrors(sum(errors[best] for best, errors in zip(chosen, self.errors, strict=True)), self.words)

    @property
    def first(self) -> WordErrors:
        """The word errors of the hypotheses that stand first."""
        return WordErrors(sum(errors[0] for errors in self.errors), self.words)

    @property
    def oracle(self) -> WordErrors:
        """The word errors of the best choice there is."""
        return WordErrors(sum(min(errors) for errors in self.errors), self.words)


def tune(development: DevelopmentSet, start: Weights, names: Iterable[str]) -> Weights:
    """The weights after coordinate search from `start` over the weights named.

    Each round finds the exact minimum along every weight, and takes the one with the fewest errors; it ends when none
    has fewer than there are. Deterministic: the same list and start give the same weights. Only the ratio of weights
    matters, so one of them should stay out of `names`.
    """
    vector = list(start.vector())
    errors = development.with_weights(vector).errors
    columns = [TUNED.index(name) for name in names]
    while True:
        minima = [(least(along(development, vector, column)), column) for column in columns]
        for stretch, column in sorted(minima, key=lambda found: found[0].errors):
            moved = [*vector[:column], stretch.middle, *vector[column + 1 :]]
            # Counted anew: where totals differ by rounding alone, the envelope may see another order.
            count = development.with_weights(moved).errors
            if count < errors:
                vector, errors = moved, count
                break
        else:
            return start.with_vector(tuple(vector))


def along(development: DevelopmentSet, vector: Sequence[float], column: int) -> list[Stretch]:
    """The word errors as a step function of one weight, the others as in `vector`."""
    rest = [*vector[:column], 0.0, *vector[column + 1 :]]
    envelopes = (
        (upper_envelope(totals(features, rest).tolist(), features[:, column].tolist()), errors)
        for features, errors in zip(development.features, development.errors, strict=True)
    )
    return stretches(envelopes, -math.inf if TUNED[column] in UNBOUNDED else 0.0)

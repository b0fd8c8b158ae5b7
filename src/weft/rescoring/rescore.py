"""Rescoring: the total of every hypothesis, and the best one of each utterance.

    total = w_acoustic ln P_acoustic + w_lm (ln P_LM - penalty · OOV) + w_old_lm ln P_old_LM + w_word · words

in nats. With scores of base 10, SRILM's total `ascore + lmw · lscore + wtw · nwords` is this over ln 10, when
w_lm = lmw and w_word = wtw · ln 10.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from weft.errors import InputError, quoted
from weft.rescoring.hypotheses import Utterance
from weft.rescoring.prefix_scorer import TextScore
from weft.rescoring.weights import Weights

WINDOW = 1000
"""Least number of hypotheses that are scored together, sharing prefixes."""


class TextScorer(Protocol):
    """Computes ln P of texts."""

    def score(self, texts: Sequence[str]) -> Sequence[TextScore]:
        """The score of every text, each read from a fresh start."""


@dataclass(frozen=True, eq=False)
class RescoredUtterance:
    """An utterance with new scores and totals (hypotheses,), and the features (hypotheses, 4) that weights multiply."""

    utterance: Utterance
    scores: tuple[TextScore, ...]
    features: NDArray[np.float64]
    totals_nats: NDArray[np.float64]

    @property
    def best(self) -> int:
        """The index of the hypothesis with the highest total; of equal totals the first."""
        return int(np.argmax(self.totals_nats))

    def ranks(self) -> list[int]:
        """The rank of each hypothesis by its total, 1 the best; equal totals are ranked in the order of the list."""
        ranks = np.empty(len(self.totals_nats), dtype=np.int64)
        ranks[np.argsort(-self.totals_nats, kind="stable")] = np.arange(1, len(ranks) + 1)
        return [int(rank) for rank in ranks]


def rescore(
    utterances: Iterable[Utterance], scorer: TextScorer, weights: Weights, window: int = WINDOW
) -> Iterator[RescoredUtterance]:
    """The utterances with new totals, in order.

    Whole utterances are scored together until they have `window` hypotheses, so memory does not grow with the list. The
    totals do not depend on `window`. Raises InputError for a total that is not a finite number.
    """
    for batch in _windows(utterances, window):
        texts = [hypothesis.text for utterance in batch for hypothesis in utterance.hypotheses]
        scores = iter(scorer.score(texts))
        for utterance in batch:
            own_scores = tuple(next(scores) for _ in utterance.hypotheses)
            features = _features(utterance, own_scores, weights.oov_penalty_nats)
            totals_nats = totals(features, weights.vector())
            _check_finite(utterance, totals_nats)
            yield RescoredUtterance(utterance, own_scores, features, totals_nats)


def totals(features: NDArray[np.float64], weights: Sequence[float]) -> NDArray[np.float64]:
    """features (R, K) times weights (K,) -> (R,)."""
    # Column by column, equal rows get equal totals, which a matrix product does not guarantee.
    result = np.zeros(len(features))
    with np.errstate(over="ignore", invalid="ignore"):  # `rescore` refuses totals that are not finite
        for column, weight in enumerate(weights):
            result += weight * features[:, column]
    return result


def _check_finite(utterance: Utterance, totals_nats: NDArray[np.float64]) -> None:
    finite = np.isfinite(totals_nats)
    if not finite.all():
        raise InputError(
            f"the utterance {quoted(utterance.id)}: the total of hypothesis {int(finite.argmin()) + 1} is not a finite "
            "number: its scores, or the weights, are too large"
        )


def _windows(utterances: Iterable[Utterance], window: int) -> Iterator[list[Utterance]]:
    batch: list[Utterance] = []
    hypotheses = 0
    for utterance in utterances:
        batch.append(utterance)
        hypotheses += len(utterance.hypotheses)
        if hypotheses >= window:
            yield batch
            batch, hypotheses = [], 0
    if batch:
        yield batch


def _features(utterance: Utterance, scores: Sequence[TextScore], oov_penalty_nats: float) -> NDArray[np.float64]:
    rows = [
        (
            hypothesis.acoustic_nats or 0.0,
            score.logprob_nats - oov_penalty_nats * score.oov_tokens,
            hypothesis.old_lm_nats or 0.0,
            hypothesis.words,
        )
        for hypothesis, score in zip(utterance.hypotheses, scores, strict=True)
    ]
    return np.array(rows, dtype=np.float64)

"""Linear interpolation of models, and the weights that suit a held-out text best.

    p(w) = Σ_i λ_i p_i(w)      Σ_i λ_i = 1      λ_i ← mean over the text of λ_i p_i(w) / p(w)

The second is one round of expectation maximisation (Jelinek & Mercer 1980); it never makes the text less likely.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.errors import InputError

SMALLEST_GAIN = 1e-6
"""Nats a token: what is not worth another round."""
MOST_ROUNDS = 10_000

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Weights:
    """`values` (M,), which sum to 1; the text's log-likelihood in `nats` under them; the `rounds` it took."""

    values: Floats
    nats: float
    rounds: int


def mixed(log_probabilities: NDArray[Any], weights: NDArray[Any]) -> Floats:
    """ln Σ_i λ_i p_i of every token (T,), from ln p_i (M, T) and λ (M,)."""
    highest, shares = _scaled(log_probabilities)
    with np.errstate(divide="ignore"):
        nats: Floats = highest + np.log(weights @ shares)
    return nats


def fit_weights(log_probabilities: NDArray[Any]) -> Weights:
    """The weights under which a text is likeliest, from ln p_i of its tokens, (M, T) in nats.

    Rounds of EM from equal weights, until no weights can be better by SMALLEST_GAIN a token (the likelihood is concave,
    so its gradient bounds what is left to gain) or MOST_ROUNDS are over. A model that alone is better wins alone.

    Raises InputError without tokens, for NaN, and where a token is impossible for every model.
    """
    models, tokens = log_probabilities.shape
    if not tokens:
        raise InputError("weights are fitted on a text, and this one has no token")
    highest, shares = _scaled(log_probabilities)
    if not np.isfinite(highest).all():
        raise InputError("weights cannot be fitted: a token of the text has no probability under any of the models")
    weights = np.full(models, 1 / models)
    rounds = 0
    while rounds < MOST_ROUNDS:
        gradient = (shares / (weights @ shares)).mean(axis=1)
        if gradient.max() - 1 < SMALLEST_GAIN:
            break
        weights = weights * gradient
        weights /= weights.sum()
        rounds += 1
    candidates = [weights, *np.eye(models)]
    likelihoods = [float(mixed(log_probabilities, candidate).sum()) for candidate in candidates]
    best = int(np.argmax(likelihoods))
    return Weights(candidates[best], likelihoods[best], rounds)


def _scaled(log_probabilities: NDArray[Any]) -> tuple[Floats, Floats]:
    """The highest ln p of every token (T,), and p / the highest (M, T): nothing underflows."""
    logs = np.asarray(log_probabilities, dtype=np.float64)
    highest = logs.max(axis=0)
    finite = np.where(np.isneginf(highest), 0.0, highest)
    return highest, np.exp(logs - finite)

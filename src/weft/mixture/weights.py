"""Linear interpolation of models, and the weights under which a held-out text is likeliest.

    p(w) = Σ_i λ_i p_i(w)      Σ_i λ_i = 1      λ_i ← mean over the text of λ_i p_i(w) / p(w)

The update is one iteration of expectation maximisation (Jelinek & Mercer 1980); it never lowers the likelihood.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.errors import InputError

MIN_GAIN = 1e-6
"""Nats per token: iteration stops when no weights can gain more."""
MAX_ITERATIONS = 10_000

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Weights:
    """values: (M,), which sum to 1. nats: the log-likelihood of the text under them. iterations: of EM."""

    values: Floats
    nats: float
    iterations: int


def mixed(log_probabilities: NDArray[Any], weights: NDArray[Any]) -> Floats:
    """ln Σ_i λ_i p_i of every token (T,), from ln p_i (M, T) and λ (M,), which sum to 1.

    It is at most the highest ln p_i, also where the sum of the λ is rounded to more than 1.
    """
    highest, shares = _scaled(log_probabilities)
    with np.errstate(divide="ignore"):
        nats: Floats = highest + np.minimum(np.log(weights @ shares), 0.0)
    return np.minimum(nats, 0) + 0.0  # + 0.0 makes -0.0 positive


def fit_weights(log_probabilities: NDArray[Any]) -> Weights:
    """The weights under which a text is likeliest, from ln p_i of its tokens, (M, T) in nats.

    EM starts from equal weights and stops when no weights can be better by MIN_GAIN per token (the log-likelihood is
    concave, so its gradient bounds the remaining gain) or after MAX_ITERATIONS. If a single model is better than the
    result, its weight is 1.

    Raises InputError without tokens, for NaN, and if a token has probability 0 under every model.
    """
    models, tokens = log_probabilities.shape
    if not tokens:
        raise InputError("weights are fitted on a text, and this one has no token")
    highest, shares = _scaled(log_probabilities)
    if not np.isfinite(highest).all():
        raise InputError("weights cannot be fitted: a token of the text has no probability under any of the models")
    weights = np.full(models, 1 / models)
    iterations = 0
    while iterations < MAX_ITERATIONS:
        gradient = (shares / (weights @ shares)).mean(axis=1)
        if gradient.max() - 1 < MIN_GAIN:
            break
        weights = weights * gradient
        weights /= weights.sum()
        iterations += 1
    candidates = [weights, *np.eye(models)]
    likelihoods = [float(mixed(log_probabilities, candidate).sum()) for candidate in candidates]
    best = int(np.argmax(likelihoods))
    return Weights(candidates[best], likelihoods[best], iterations)


def _scaled(log_probabilities: NDArray[Any]) -> tuple[Floats, Floats]:
    """The highest ln p of every token (T,), and p / the highest (M, T), which avoids underflow."""
    logs = np.asarray(log_probabilities, dtype=np.float64)
    highest = logs.max(axis=0)
    finite = np.where(np.isneginf(highest), 0.0, highest)
    return highest, np.exp(logs - finite)

"""Perplexity: exp(total nats / total tokens), the effective number of candidates for the next token.

1 is perfect; probability 0.25 for every token gives 4. The means over tokens are computed here and nowhere else.
"""

from __future__ import annotations

import math

from weft.errors import InputError
from weft.loss import Loss


def mean_nats(loss: Loss) -> float:
    """Cross-entropy in nats per token; raises InputError without tokens."""
    if loss.tokens < 1:
        raise InputError("perplexity needs at least one token to predict, got none")
    return loss.nats / loss.tokens


def mean_bits(loss: Loss) -> float:
    """Cross-entropy in bits per token; raises InputError without tokens."""
    return mean_nats(loss) / math.log(2)


def perplexity(loss: Loss) -> float:
    """exp(nats / tokens); infinite where a float overflows. Raises InputError without tokens."""
    try:
        return math.exp(mean_nats(loss))
    except OverflowError:
        return math.inf


def perplexity_of_log10(log10: float, tokens: int) -> float | None:
    """10^(-log10 / tokens) of a log-probability to base 10, as other tools compute it; None without tokens."""
    if tokens < 1:
        return None
    try:
        return float(10.0 ** -(log10 / tokens))
    except OverflowError:
        return math.inf

"""Loss: total negative log-likelihood of a text in nats, and the number of tokens it was summed over."""

from __future__ import annotations

from typing import NamedTuple


class Loss(NamedTuple):
    """What a text cost: the sum of negative log-likelihoods in nats, and the number of tokens it was summed over."""

    nats: float
    tokens: int

    def plus(self, other: Loss) -> Loss:
        """The cost of both texts."""
        return Loss(self.nats + other.nats, self.tokens + other.tokens)


NOTHING = Loss(0.0, 0)

"""Loss: total negative log-likelihood of a text in nats, and the number of tokens it was summed over."""

from __future__ import annotations

from typing import NamedTuple


class Loss(NamedTuple):
    """The sum of the negative log-likelihoods of a text in nats, and the number of tokens it was summed over."""

    nats: float
    tokens: int

    def plus(self, other: Loss) -> Loss:
        """The loss of both texts together."""
        return Loss(self.nats + other.nats, self.tokens + other.tokens)

    def over(self, units: int) -> Loss:
        """The same sum over another number of units, such as the characters of the text."""
        return Loss(self.nats, units)


NOTHING = Loss(0.0, 0)

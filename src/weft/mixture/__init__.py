"""Several language models as one: the probability of a token is a weighted mean of theirs."""

from weft.mixture.weights import Weights, fit_weights, mixed

__all__ = ["Weights", "fit_weights", "mixed"]

"""Mixtures of language models: the probability of a token is the weighted mean of the models' probabilities."""

from weft.mixture.weights import Weights, fit_weights, mixed

__all__ = ["Weights", "fit_weights", "mixed"]

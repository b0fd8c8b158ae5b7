"""The loss of a text under a model: log-probabilities of its tokens, and the perplexity."""

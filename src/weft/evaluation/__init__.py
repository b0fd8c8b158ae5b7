"""What a text costs a model: log-probabilities, and the perplexity made of them."""

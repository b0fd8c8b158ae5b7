"""Compares models on one text: their perplexity, overall and by the length of the context."""

"""Models side by side on one text, and how their perplexity falls with the length of the context they are given."""

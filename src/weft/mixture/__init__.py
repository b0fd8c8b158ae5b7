"""Several language models as one: the probability of a token is a weighted mean of theirs."""

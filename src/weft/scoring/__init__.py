"""Token scores: what each token of a text cost a model."""

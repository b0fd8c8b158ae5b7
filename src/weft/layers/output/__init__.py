"""Output layers: scores over the vocabulary, softmax and loss; full, sliced, adaptive and sampled."""

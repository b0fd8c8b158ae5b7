"""N-gram models: the baseline that counts words, and the ARPA files that n-gram models are exchanged in."""

"""How fast and how large weft is, beside what a person would use instead; see `python -m benchmarks --help`."""

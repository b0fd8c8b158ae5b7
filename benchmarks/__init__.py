"""How fast and how large weft is, beside what a person would use instead; see `python -m benchmarks --help`."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The top of the source tree, where processes of the benchmarks start."""

"""Results of complete runs of the recipes, and their table in the README; see `python -m results --help`."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
"""Root of the source tree, the working directory of runs."""
RESULTS = Path(__file__).parent

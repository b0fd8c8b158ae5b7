"""What whole runs of the recipes gave, and the table of it in the README; see `python -m results --help`."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The top of the source tree, where runs start."""
RESULTS = Path(__file__).parent

"""What a contributor does, one task a module; see `python -m scripts`."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The top of the source tree."""

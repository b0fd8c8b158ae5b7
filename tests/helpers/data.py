"""Data that the project does not contain, for tests: the folder that the environment variable WEFT_DATA names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("WEFT_DATA", "") or os.devnull)


def needs_data(*names: str) -> pytest.MarkDecorator:
    """Skips a test unless the folder of data holds all these files or folders."""
    missing = [name for name in names if not (DATA / name).exists()]
    return pytest.mark.skipif(bool(missing), reason=f"WEFT_DATA names no folder with {', '.join(missing)}")

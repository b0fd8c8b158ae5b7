"""Colours are named in one place."""

from __future__ import annotations

import re
from pathlib import Path

from helpers.paths import ROOT
from weft.presentation import palette


def test_no_other_module_spells_a_colour_of_the_palette() -> None:
    colours = {value for name, value in vars(palette).items() if name.isupper() and isinstance(value, str)}
    own = Path(palette.__file__)
    for folder in ("src", "benchmarks", "scripts"):
        for path in (ROOT / folder).rglob("*.py"):
            if path != own:
                found = set(re.findall(r"#[0-9a-f]{6}\b", path.read_text("utf-8").lower()))
                assert not found & set(palette.SERIES), path
    assert set(palette.SERIES) < colours

"""The colours of all plots and pages.

The series are the palette of Okabe and Ito (2008), which readers with any form of colour vision can tell apart. Line
styles, markers or hatches differ too: colour is never the only difference.
"""

from __future__ import annotations

BLUE, ORANGE, GREEN, PURPLE, SKY_BLUE, VERMILION = "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00"

SERIES = (BLUE, ORANGE, GREEN, PURPLE, SKY_BLUE, VERMILION)
"""Colours of models, cells or conditions, in this order."""

INK, PAPER, GRID = "#1b1b1b", "#ffffff", "#d9d9d9"
DARK_INK, DARK_PAPER = "#f2f2f2", "#15171c"
"""The dark scheme."""

"""The colour scale of surprisal: one blue hue that darkens in steps of equal lightness (CIE L*).

It is readable with every form of colour vision and in greyscale. Text on each level has a contrast of at least 4.5
(WCAG 2.1).
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise

EDGES_BITS = (1, 2, 3, 4, 6, 8, 11, 15)
"""Boundaries of the levels: narrow for likely tokens, which characters are, and wide for rare words."""

BACKGROUNDS = ("#f2f8fd", "#bee2ff", "#93c8ff", "#6faeef", "#5395d7", "#3f7cb7", "#346493", "#2e4c6b", "#293644")
FOREGROUNDS = ("#000000",) * 6 + ("#ffffff",) * 3


def level(bits: float) -> int:
    """The level of a surprisal in bits, 0 the lowest; a boundary belongs to the level above it."""
    return bisect_right(EDGES_BITS, bits)


def level_names() -> list[str]:
    """The range of every level in bits: "0–1" and so on; the last has no upper bound."""
    bounds = [0, *EDGES_BITS]
    return [f"{low}–{high}" for low, high in pairwise(bounds)] + [f"{bounds[-1]}+"]

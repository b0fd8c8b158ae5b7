"""The colour scale: readable text on each level, and levels in order for every form of colour vision."""

from __future__ import annotations

from itertools import pairwise

import pytest

from weft.visualization.colour_scale import BACKGROUNDS, EDGES_BITS, FOREGROUNDS, level, level_names

# Linear red, green and blue as seen without one kind of cone (Viénot, Brettel & Mollon 1999).
COLOUR_VISION = {
    "all cones": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "no red": ((0.11238, 0.88762, 0.0), (0.11238, 0.88762, 0.0), (0.00401, -0.00401, 1.0)),
    "no green": ((0.29275, 0.70725, 0.0), (0.29275, 0.70725, 0.0), (-0.02234, 0.02234, 1.0)),
}


def linear(colour: str) -> list[float]:
    values = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    return [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in values]


def luminance(rgb: list[float]) -> float:
    return sum(share * value for share, value in zip((0.2126, 0.7152, 0.0722), rgb, strict=True))


def lightness(rgb: list[float]) -> float:
    """CIE L*, 0 to 100."""
    return float(116 * luminance(rgb) ** (1 / 3) - 16)


def test_text_has_enough_contrast_on_every_level() -> None:
    for background, text in zip(BACKGROUNDS, FOREGROUNDS, strict=True):
        lighter, darker = sorted((luminance(linear(background)), luminance(linear(text))), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, background


@pytest.mark.parametrize("vision", COLOUR_VISION)
def test_every_level_is_darker_than_the_previous_one(vision: str) -> None:
    seen = [
        [sum(share * value for share, value in zip(row, linear(colour), strict=True)) for row in COLOUR_VISION[vision]]
        for colour in BACKGROUNDS
    ]
    for lighter, darker in pairwise(map(lightness, seen)):
        assert lighter - darker > 6


def test_levels_are_named_by_their_bits() -> None:
    assert len(BACKGROUNDS) == len(level_names()) == len(EDGES_BITS) + 1
    assert (level_names()[0], level_names()[4], level_names()[-1]) == ("0–1", "4–6", "15+")
    assert [level(bits) for bits in (0.0, 0.99, 1.0, 5.0, 14.99, 15.0, float("inf"))] == [0, 0, 1, 4, 7, 8, 8]

"""Fonts for words of any script: which installed fonts have the characters that the usual one lacks."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

USUAL = "DejaVu Sans"
"""Comes with matplotlib."""

SUBSTITUTE = "□"


def families_for(characters: Iterable[str]) -> tuple[list[str], set[str]]:
    """Font families that together have `characters`, the usual one first, and the characters that no font here has."""
    from matplotlib.font_manager import FontProperties, findfont, fontManager

    families = [USUAL]
    left = {character for character in characters if not character.isspace()}
    left -= _characters_of(findfont(FontProperties(family=USUAL)))
    # Fonts that name a script of many characters are tried first: most others have a few hundred.
    installed = [
        font for font in fontManager.ttflist if not font.name.startswith("Last Resort")
    ]  # boxes for everything
    for font in sorted(installed, key=lambda font: (not _of_many(font.name), font.name)):
        if not left:
            break
        had = left & _characters_of(font.fname)
        if had:
            families.append(font.name)
            left -= had
    return families, left


def drawable(text: str, lacking: set[str]) -> str:
    """The text with a box for each character that no font has; matplotlib would warn of them."""
    return "".join(SUBSTITUTE if character in lacking else character for character in text)


def _of_many(name: str) -> bool:
    many = (
        "CJK",
        "Source Han",
        "WenQuanYi",
        "YaHei",
        "SimHei",
        "SimSun",
        "PingFang",
        "Hiragino",
        "Unicode",
        "Fallback",
    )
    return any(part in name for part in many)


@cache
def _characters_of(path: str) -> frozenset[str]:
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(map(chr, FT2Font(path).get_charmap()))
    except (OSError, RuntimeError):  # a font that was removed, or that FreeType cannot read
        return frozenset()

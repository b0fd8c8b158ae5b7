"""Fonts for words of any script: the installed fonts with the characters that the default font lacks."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

DEFAULT = "DejaVu Sans"
"""Installed with matplotlib."""

SUBSTITUTE = "□"


def families_for(characters: Iterable[str]) -> tuple[list[str], set[str]]:
    """Font families that together have `characters`, the default first, and the characters that no font has."""
    from matplotlib.font_manager import FontProperties, findfont, fontManager

    families = [DEFAULT]
    left = {character for character in characters if not character.isspace()}
    left -= _characters_of(findfont(FontProperties(family=DEFAULT)))
    # "Last Resort" has a box for every character. Fonts named after large scripts are tried first: most others have a
    # few hundred characters.
    installed = [font for font in fontManager.ttflist if not font.name.startswith("Last Resort")]
    for font in sorted(installed, key=lambda font: (not _is_large(font.name), font.name)):
        if not left:
            break
        found = left & _characters_of(font.fname)
        if found:
            families.append(font.name)
            left -= found
    return families, left


def drawable(text: str, lacking: set[str]) -> str:
    """The text with a box in place of each lacking character, for which matplotlib would emit a warning."""
    return "".join(SUBSTITUTE if character in lacking else character for character in text)


def _is_large(name: str) -> bool:
    large = (
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
    return any(part in name for part in large)


@cache
def _characters_of(path: str) -> frozenset[str]:
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(map(chr, FT2Font(path).get_charmap()))
    except (OSError, RuntimeError):  # a font that was removed, or that FreeType cannot read
        return frozenset()

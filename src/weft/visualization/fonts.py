"""Fonts for words of any script: the installed fonts with the characters that the default font lacks.

matplotlib keeps a list of fonts for all later runs, which a font installed since is not in. If characters are lacking,
the folders of fonts are searched for files that are not in the list, and those that have the characters are added.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

DEFAULT = "DejaVu Sans"
"""Installed with matplotlib."""

SUBSTITUTE = "□"

LARGE = (
    "CJK", "SourceHan", "WenQuanYi", "wqy", "YaHei", "msyh", "SimHei", "SimSun", "PingFang", "Hiragino", "Unicode",
    "Fallback",
)  # fmt: skip
"""Parts of the names of fonts for large scripts, without spaces: most other fonts have a few hundred characters."""


def families_for(characters: Iterable[str]) -> tuple[list[str], set[str]]:
    """Font families that together have `characters`, the default first, and the characters that no font has."""
    from matplotlib.font_manager import FontProperties, findfont, fontManager

    families = [DEFAULT]
    left = {character for character in characters if not character.isspace()}
    left -= _characters_of(findfont(FontProperties(family=DEFAULT)))
    # "Last Resort" has a box for every character.
    listed = [font for font in fontManager.ttflist if not font.name.startswith("Last Resort")]
    for font in sorted(listed, key=lambda font: (not _is_large(font.name), font.name)):
        if not left:
            return families, left
        if found := left & _characters_of(font.fname):
            families.append(font.name)
            left -= found
    for path in _unlisted() if left else ():
        found = left & _characters_of(path)
        name = _listed_name(path) if found else None
        if name is not None:
            families.append(name)
            left -= found
    return families, left


def drawable(text: str, lacking: set[str]) -> str:
    """The text with a box in place of each lacking character, for which matplotlib would emit a warning."""
    return "".join(SUBSTITUTE if character in lacking else character for character in text)


def _unlisted() -> list[str]:
    """The files of installed fonts that matplotlib's list does not have, fonts for large scripts first."""
    from matplotlib.font_manager import findSystemFonts, fontManager

    listed = {font.fname for font in fontManager.ttflist}
    found = [path for path in findSystemFonts() if path not in listed and "LastResort" not in path]
    return sorted(found, key=lambda path: (not _is_large(Path(path).stem), path))


def _listed_name(path: str) -> str | None:
    """The family of the font in a file, which is added to the list of this process; None if it cannot be used."""
    from matplotlib.font_manager import fontManager

    count = len(fontManager.ttflist)
    try:
        fontManager.addfont(path)
    except (OSError, RuntimeError, LookupError, ValueError):
        return None
    return fontManager.ttflist[count].name


def _is_large(name: str) -> bool:
    return any(part in name.replace(" ", "") for part in LARGE)


@cache
def _characters_of(path: str) -> frozenset[str]:
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(map(chr, FT2Font(path).get_charmap()))
    except (OSError, RuntimeError):  # a font that was removed, or that FreeType cannot read
        return frozenset()

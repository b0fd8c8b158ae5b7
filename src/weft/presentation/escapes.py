"""Characters that are written escaped, as `\\x1b`, so that no text controls a terminal or breaks a row.

for_terminal  a text of several lines, for people
one_line      a part of a message: a file name, a setting
printable     a part of a row of a table: every character without a shape is escaped
visible       a token: as `printable`, and a space is ␣
unbroken      a word in a row that is separated by spaces
"""

from __future__ import annotations

import re

_BIDI = "\u202a-\u202e\u2066-\u2069"
"""Embeddings, overrides and isolates of the direction of text, which let a text look like another one."""

CONTROLS = f"\x7f-\x9f\u2028\u2029{_BIDI}\ud800-\udfff"
"""DEL, C1, separators of lines and paragraphs, directions, and surrogates (bytes of a file name that are no UTF-8)."""

_WITHIN_LINES = re.compile(f"[\x00-\x08\x0b-\x1f{CONTROLS}]")
_WITHIN_A_LINE = re.compile(f"[\x00-\x1f{CONTROLS}]")
_WITHIN_A_WORD = re.compile(f"[\x00-\x20{CONTROLS}]")


def for_terminal(text: str) -> str:
    """Text of several lines: controls are escaped, except for tabs and line ends."""
    return text if text.isprintable() else _WITHIN_LINES.sub(_escaped, text)


def one_line(text: str) -> str:
    """Text for a part of a line: controls are escaped, tabs and line ends too."""
    return text if text.isprintable() else _WITHIN_A_LINE.sub(_escaped, text)


def printable(text: str) -> str:
    """Text for a field of a row: unprintable characters are escaped, spaces are kept."""
    return text if text.isprintable() else "".join(map(_printable_character, text))


def visible(token: str) -> str:
    """A token for a field of a row: a space as ␣, unprintable characters escaped."""
    return token if token.isprintable() and " " not in token else printable(token).replace(" ", "␣")


def unbroken(word: str) -> str:
    """A word for a row separated by spaces: white space of ASCII and controls are escaped."""
    return _WITHIN_A_WORD.sub(_escaped_by_number, word)


def _escaped(found: re.Match[str]) -> str:
    return found.group().encode("unicode_escape").decode("ascii")


def _escaped_by_number(found: re.Match[str]) -> str:
    code = ord(found.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _printable_character(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")

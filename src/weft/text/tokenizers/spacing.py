"""Where a blank is expected between two tokens of written text: before "(" and after ".", but not the other way round.

The tokenizer `text` writes blanks into its tokens only where this rule is wrong, and its decoder applies the same rule.
The rule depends on the last character of the left token, on the first of the right one, and on the last quotation mark
of the line, which opens a quotation if white space is before it and ends one otherwise.
"""

from __future__ import annotations

import unicodedata
from enum import Enum
from functools import cache


class Side(Enum):
    """On which sides of a character blanks are written.

    BOTH     letters, digits, most symbols
    NEITHER  white space, hyphens and slashes, and scripts without blanks: Chinese, Japanese, Thai, Lao, Khmer, Burmese
    BEFORE   opening brackets and ¿ ¡, currency, # and @
    AFTER    closing brackets and . , ; : ! ? … %
    QUOTE    " ' and opening quotation marks: BEFORE, or AFTER within a quotation
    QUOTED   closing quotation marks: as QUOTE, but with no blank before them in any case
    """

    BOTH = "both"
    NEITHER = "neither"
    BEFORE = "before"
    AFTER = "after"
    QUOTE = "quote"
    QUOTED = "quoted"


_ENDS = frozenset(".,;:!?…%")
_JOINS = frozenset("-/\u2010\u2011\u2014\\")
_OPENS = frozenset("#@¿¡")
_QUOTES = frozenset("\"'")
_LOW_QUOTES = frozenset("„‚")
_UNSPACED_SCRIPTS = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF))
"""Thai and Lao, Burmese, Khmer."""
_HANGUL = ((0x1100, 0x11FF), (0x3130, 0x318F), (0xA960, 0xA97F), (0xAC00, 0xD7FF))


@cache
def side_of(character: str) -> Side:
    """The side of a character on which blanks are written."""
    category, code = unicodedata.category(character), ord(character)
    if character.isspace() or character in _JOINS or _within(code, _UNSPACED_SCRIPTS):
        return Side.NEITHER
    wide = unicodedata.east_asian_width(character) in ("W", "F")
    if wide and category != "So" and not _within(code, _HANGUL):
        return Side.NEITHER
    if character in _QUOTES or category == "Pi":
        return Side.QUOTE
    if category == "Pf":
        return Side.QUOTED
    if character in _OPENS or category in ("Ps", "Sc"):
        return Side.BEFORE
    if character in _ENDS or category == "Pe":
        return Side.AFTER
    return Side.BOTH


class Spacing:
    """The rule along a line: whether a blank is expected before the next token.

    A new object is at the beginning of a line, where none is.
    """

    def __init__(self) -> None:
        self._left: Side | None = None
        self._within_quote = False

    def expects_blank(self, token: str) -> bool:
        """Whether a blank is expected before `token`, which is not empty."""
        left, right = self._left, side_of(token[0])
        if left in (None, Side.NEITHER, Side.BEFORE) or right in (Side.NEITHER, Side.AFTER, Side.QUOTED):
            return False
        if left in (Side.QUOTE, Side.QUOTED):
            return not self._within_quote
        return not (right is Side.QUOTE and self._within_quote)

    def add(self, token: str, after_space: bool) -> None:
        """Add a token to the line; after_space: whether white space or the beginning of the line is before it."""
        self._left = side_of(token[-1])
        if self._left in (Side.QUOTE, Side.QUOTED) or token in _LOW_QUOTES:
            self._within_quote = after_space

    def join(self) -> None:
        """Expect no blank before the next token."""
        self._left = Side.NEITHER


def _within(code: int, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(first <= code <= last for first, last in ranges)

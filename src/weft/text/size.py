"""The size of a text in units that do not depend on the tokenizer: characters, bytes and words."""

from __future__ import annotations

from typing import NamedTuple

SIZE_UNITS = ("characters", "bytes", "words")


class TextSize(NamedTuple):
    """The size of a text as it was written, before lower-casing.

    characters  Unicode code points, line ends included
    bytes       of the text in UTF-8, line ends included, one byte each
    words       words (see `weft.text.rules`), and line ends
    """

    characters: int
    bytes: int
    words: int

"""Facts about the lines of a text that deserve a note, because its numbers may not be those that its author expects."""

from __future__ import annotations

import re
from collections import Counter

from weft.text.rules import BYTE_ORDER_MARK, SEPARATORS

MARKERS = ("<eos>", "</s>")
"""Words that other programs write at the end of a line."""

_MARK_WITHIN_LINE = re.compile(f"[^\n{BYTE_ORDER_MARK}]{BYTE_ORDER_MARK}")
_AT_LINE_END = re.compile(rf"(?<![^{SEPARATORS}])({'|'.join(MARKERS)})[ \t\r]*\n")


class TextFacts:
    """Facts about the text of one source, from its blocks or lines in order."""

    def __init__(self) -> None:
        self._line_feeds = 0
        self._carriage_returns = 0
        self._byte_order_marks = False
        self._markers: Counter[str] = Counter()

    def add_block(self, block: str) -> None:
        """Note the characters of a block, which need not end with a line."""
        if not self._line_feeds and "\r" in block:
            self._carriage_returns += block.count("\r")

    def add_lines(self, text: str, line_feeds: int) -> None:
        """Note the lines that end in `text`, at `line_feeds` line feeds."""
        self._line_feeds += line_feeds
        if BYTE_ORDER_MARK in text and _MARK_WITHIN_LINE.search(text):
            self._byte_order_marks = True
        if any(marker in text for marker in MARKERS):
            self._markers.update(_AT_LINE_END.findall(text))

    def notes(self, name: str, marker: str = "") -> list[str]:
        """One line for each fact. name: of the source; marker: the word that is taken as a line end."""
        notes = []
        if self._carriage_returns and not self._line_feeds:
            notes.append(
                f"{name} has {self._carriage_returns:,} carriage returns and no line feed, so it is read as one line; "
                "where its lines end in carriage returns, convert them first: tr '\\r' '\\n'"
            )
        if self._byte_order_marks:
            notes.append(f"{name} has byte-order marks (U+FEFF) within lines, which are read as characters of words")
        for word, count in self._markers.items():
            if word != marker:
                notes.append(
                    f"{name}: lines that end in the word {word}, which is read besides the line end after it: "
                    f"{count:,}; --line-end-marker '{word}' takes both as one line end"
                )
        return notes

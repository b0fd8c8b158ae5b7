"""The rules of text: what a line is, what a word is, and what no text contains. Every reader of text applies them.

    line     ends at "\\n" and at the end of the text, with every "\\r" right before it. Other separators of lines in
             Unicode, and a "\\r" elsewhere, are characters of the line.
    marker   optionally a word, such as `<eos>`, that ends a line too; a line end after it belongs to it.
    BOM      U+FEFF at the beginning of a line is no part of the line. Elsewhere it is a character.
    word     ends at a blank, a tab, "\\r", "\\n" and NUL, as in KenLM and in ARPA files, and at nothing else: "10 km"
             with a no-break space is one word. It has less than LONGEST_WORD characters.
    refused  NUL and lone surrogates, which a text in UTF-8 does not contain.

Source of the rule for words: `lm/builder/corpus_count.cc` and `lm/read_arpa.cc` of https://github.com/kpu/kenlm.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from weft.errors import InputError

BYTE_ORDER_MARK = "\ufeff"

SEPARATORS = "\0\t\n\r "
"""The characters at which words end."""

LONGEST_WORD = 1 << 20
"""Characters at which a word is refused: words are held in memory, and reading takes constant memory."""

_IN_LINE = " \t\r"
"""The separators that a line can contain."""

_OTHER_WHITE_SPACE = "\x0b\x0c\x1c\x1d\x1e\x1f"
"""The ASCII characters at which `str.split` cuts, and that are no separators."""

_NO_CHARACTERS = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True)
class WordRule:
    """Where words end: at each of `separators`, or at every white space of Unicode if it is None."""

    separators: str | None

    def words(self, text: str) -> list[str]:
        """The words of a text of any number of lines, in order."""
        if self.separators is None:
            return text.split()
        if text.isascii() and "\0" not in text and not any(map(text.__contains__, _OTHER_WHITE_SPACE)):
            return text.split()  # the same words, in less time
        for separator in "\t\n\r\0":
            if separator in text:
                text = text.replace(separator, " ")
        return list(filter(None, text.split(" ")))

    def fields(self, line: str, count: int) -> list[str]:
        """The first `count` words of a line, and what follows them as one string if anything does."""
        spans = self.spans(line)
        first = [line[start:end] for start, end in spans[:count]]
        return first if len(spans) <= count else [*first, line[spans[count][0] : spans[-1][1]]]

    def spans(self, text: str) -> list[tuple[int, int]]:
        """The place of every word in `text`: the index of its first character and of the one after its last."""
        return [word.span() for word in _pattern(self.separators).finditer(text)]

    def separates(self, text: str) -> bool:
        """Whether `text` is not empty and consists of characters that are in no word."""
        return bool(text) and not text.strip(self.separators)


AT_SEPARATORS = WordRule(SEPARATORS)
"""The rule of every new tokenizer."""

AT_WHITE_SPACE = WordRule(None)
"""The rule of tokenizers that were saved before they stated one."""


@cache
def _pattern(separators: str | None) -> re.Pattern[str]:
    return re.compile(r"\S+" if separators is None else f"[^{separators}]+")


def check_word_lengths(text: str, rule: WordRule = AT_SEPARATORS) -> None:
    """Raise InputError if one of the words of `text` has LONGEST_WORD characters or more."""
    if len(text) >= LONGEST_WORD:
        for word in rule.words(text):
            if len(word) >= LONGEST_WORD:
                raise InputError(
                    f"the text has a word of {LONGEST_WORD:,} characters or more, which begins {word[:20]!r}: separate "
                    "its words by blanks, or use the tokenizer char, which needs none"
                )


class LineSpan(NamedTuple):
    """The place of a line in a text: `text[start:end]`, and its line end `text[end:stop]`, which is empty for a marker.

    ended  whether a line end or marker ends the line; false for the last line of a text without a line end
    """

    start: int
    end: int
    stop: int
    ended: bool


def line_spans(text: str, marker: str = "") -> Iterator[LineSpan]:
    """The lines of `text`, of which there is at least one. marker: see this file's description; "" for none."""
    start, is_first = 0, True
    for found in _line_ends(marker).finditer(text):
        begin, end = _after_marks(text, start, found.start()), found.start()
        at_marker = found[0] != "\n"
        if at_marker and begin < end and text[end - 1] == BYTE_ORDER_MARK:
            # Within a line U+FEFF is a character, so this is no marker but the end of a longer word.
            at_marker, end = False, found.end() - 1
            if text[end] != "\n":
                continue
        end = begin + len(text[begin:end].rstrip(_IN_LINE if at_marker else "\r"))
        yield LineSpan(begin, end, end if at_marker else found.end(), True)
        start, is_first = found.end(), False
    start = _after_marks(text, start, len(text))
    if start < len(text) or is_first:
        yield LineSpan(start, len(text), len(text), False)


def _after_marks(text: str, start: int, end: int) -> int:
    while text.startswith(BYTE_ORDER_MARK, start, end):
        start += 1
    return start


@cache
def _line_ends(marker: str) -> re.Pattern[str]:
    if not marker:
        return re.compile("\n")
    word = rf"(?<![^{SEPARATORS}{BYTE_ORDER_MARK}]){re.escape(marker)}(?![^{SEPARATORS}])"
    return re.compile(rf"\n|{word}[{_IN_LINE}{BYTE_ORDER_MARK}]*\n?")


def ends_line(text: str, marker: str = "") -> bool:
    """Whether the last line of `text` has a line end, or ends at a marker."""
    if BYTE_ORDER_MARK not in text and not (marker and marker in text):
        return text.endswith("\n")
    *_, last = line_spans(text, marker)
    return last.ended


def normalized(text: str, marker: str = "") -> str:
    """`text` with "\\n" as its only line end: no "\\r\\n", no marker, and no byte-order mark before a line.

    Raises InputError for NUL and lone surrogates, with the index of the character.
    """
    check_characters(text)
    if "\r" in text or BYTE_ORDER_MARK in text or (marker and marker in text):
        return "".join(text[start:end] + "\n" * ended for start, end, _stop, ended in line_spans(text, marker))
    return text


def lines_of(text: str, marker: str = "") -> list[str]:
    """The lines of a text, at least one, without their ends: the last needs none. Raises as `normalized` does."""
    *lines, last = normalized(text, marker).rstrip("\r").split("\n")
    return lines if lines and not last else [*lines, last]


def text_of(text: str, marker: str = "") -> str:
    """The lines of a text with "\\n" between them, and no line end after the last. Raises as `normalized` does."""
    return "\n".join(lines_of(text, marker))


def check_characters(text: str) -> None:
    """Raise InputError for NUL and lone surrogates."""
    if text.isascii() and "\0" not in text:
        return
    if found := _NO_CHARACTERS.search(text):
        what = "NUL" if found[0] == "\0" else f"the lone surrogate U+{ord(found[0]):04X}, no character of Unicode"
        raise InputError(f"the text contains {what}, at index {found.start():,}: remove it")


def at_markers(pieces: Iterable[str], marker: str) -> Iterator[str]:
    """Pieces of a text (see `weft.text.decoding`) with every line that ends at `marker` as a line of its own."""
    after_marker = False
    for piece in pieces:
        if after_marker:
            # White space, byte-order marks and the line end after a marker belong to it, in whichever piece they are.
            rest = piece.lstrip(_IN_LINE + BYTE_ORDER_MARK)
            after_marker = not rest
            piece = rest.removeprefix("\n") if rest == "\n" else rest
            if not piece:
                continue
        if marker not in piece:
            yield piece
            continue
        for start, end, _stop, ended in line_spans(piece, marker):
            yield piece[start:end] + "\n" * ended
            after_marker = ended
        after_marker = after_marker and not piece.endswith("\n")


def check_marker(marker: str) -> None:
    """Raise InputError if `marker` is neither empty nor a word."""
    if marker and AT_SEPARATORS.words(marker) != [marker]:
        raise InputError(f"a marker of line ends is one word, such as <eos>, got {marker!r}")

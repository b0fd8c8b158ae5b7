"""The layout of scores, and functions that several formats use."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from weft.scoring.token_score import TokenScore
from weft.scoring.units import Unit

Lines = Iterable[Sequence[TokenScore]]
"""The scores of each line; none for a line that could not be read."""

DETAILS = ("summary", "sentence", "word")
"""-v 0, 1, 2 of KenLM and -debug 0, 1, 2 of SRILM."""


@dataclass(frozen=True)
class Layout:
    """The choices of the user; a format ignores those that do not concern it.

    columns  names of columns; empty: those of the format
    unit     of every column that is a logarithm; None: log-probabilities in nats, the others in bits
    modes    names of the ways of reading; with several, each line is written once for each mode, in turn
    running  whether the state was carried over from line to line
    detail   one of DETAILS; None: the default of the original tool
    source   the name of the text
    id_of    token -> its id in the vocabulary, or None
    """

    columns: tuple[str, ...] = ()
    unit: Unit | None = None
    modes: tuple[str, ...] = ()
    running: bool = False
    detail: str | None = None
    source: str = "-"
    id_of: Callable[[str], int | None] = lambda token: None


ASCII_WHITE_SPACE = re.compile(r"[ \t\n\r\f\v]")


class ContextLength:
    """The number of tokens from which each token was predicted: the start, and the tokens read since."""

    def __init__(self, running: bool) -> None:
        self.running = running
        self._before = 1

    def of_line(self, scores: Sequence[TokenScore]) -> Iterator[int]:
        """One number for each score of the next line."""
        yield from range(self._before, self._before + len(scores))
        if self.running:
            self._before += len(scores)


def visible(token: str) -> str:
    """A token for a table: a space as ␣, unprintable characters escaped."""
    return token if token.isprintable() and " " not in token else "".join(map(_visible_character, token))


def printable(text: str) -> str:
    """Text for a part of a line: unprintable characters are escaped, spaces are kept."""
    return text if text.isprintable() else "".join(map(_printable_character, text))


def unbroken(word: str) -> str:
    """A word for a list separated by spaces: white space within the word is escaped."""
    return ASCII_WHITE_SPACE.sub(lambda blank: f"\\x{ord(blank.group()):02x}", word)


def _visible_character(character: str) -> str:
    return "␣" if character == " " else _printable_character(character)


def _printable_character(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")

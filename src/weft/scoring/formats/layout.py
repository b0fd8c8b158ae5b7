"""How scores are to be laid out, and the helpers that the formats share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from weft.scoring.token_score import TokenScore
from weft.scoring.units import Unit

Lines = Iterable[Sequence[TokenScore]]
"""The scores of each line; a line that could not be read has none."""

DETAILS = ("summary", "sentence", "word")
"""What KenLM calls -v 0, 1, 2 and SRILM -debug 0, 1, 2."""


@dataclass(frozen=True)
class Layout:
    """Each format looks at what it has a use for.

    columns  names of columns; none: those that the format chooses
    unit     of every column that is a logarithm; None: log-probabilities in nats, the others in bits
    modes    labels of the ways the text was read in; with several, a line comes once in each, one after the other
    running  whether the state was carried from line to line
    detail   one of DETAILS; None: what the original tool does by itself
    source   the name of the text
    id_of    the number of a token in the vocabulary, or None
    """

    columns: tuple[str, ...] = ()
    unit: Unit | None = None
    modes: tuple[str, ...] = ()
    running: bool = False
    detail: str | None = None
    source: str = "-"
    id_of: Callable[[str], int | None] = lambda token: None


ASCII_BLANK = re.compile(r"[ \t\n\r\f\v]")


class ContextLength:
    """How many tokens each token was predicted from: the start, and what was read since, as far back as is read."""

    def __init__(self, running: bool) -> None:
        self.running = running
        self._before = 1

    def of_line(self, scores: Sequence[TokenScore]) -> Iterator[int]:
        """One number for each of the scores of the next line."""
        yield from range(self._before, self._before + len(scores))
        if self.running:
            self._before += len(scores)


def visible(token: str) -> str:
    """A token as it can be shown in a table: a blank as ␣, and what cannot be printed escaped."""
    return token if token.isprintable() and " " not in token else "".join(map(_visible_character, token))


def printable(text: str) -> str:
    """Text as it can be part of a line: what cannot be printed is escaped, blanks stay."""
    return text if text.isprintable() else "".join(map(_printable_character, text))


def unbroken(word: str) -> str:
    """A word as it can stand between blanks: nothing changes but blanks that are part of it, which are escaped."""
    return ASCII_BLANK.sub(lambda blank: f"\\x{ord(blank.group()):02x}", word)


def _visible_character(character: str) -> str:
    return "␣" if character == " " else _printable_character(character)


def _printable_character(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")

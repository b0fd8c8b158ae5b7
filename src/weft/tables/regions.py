r"""Regions of a sentence: which characters are measured together, and how a table says so.

    brackets      The horse [raced]{verb} past the barn [fell].     the text in brackets; the rest is in no region
    bars          The horse{subject} | raced{verb} | past the barn  every part; one space joins the parts
    numbers:NAME  "2  5-7  verb=3" in the column NAME               words by number, the first is 1
    names:NAME    "subject subject verb - - -" in the column NAME   a name for each word, `-` for none

Regions are numbered from 1 in the order of the text. `{name}` directly after a bracket, or at the end of a part,
names a region. In a marked text, `\` before one of `[ ] { } | \` makes it an ordinary character. `[]` and two bars with
nothing between them are regions without characters. Where words are not separated by spaces, as in Chinese, bars add
none. Equal names of words that follow each other are one region. Words are what white space separates.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from weft.errors import InputError, nearest, quoted
from weft.scoring.words import has_no_spaces

KINDS = ("brackets", "bars", "numbers:COLUMN", "names:COLUMN")

_PIECE = re.compile(r"\\([\[\]{}|\\])|\{([^{}\[\]|\\\n]*)\}|(.)", re.DOTALL)
_WORD = re.compile(r"\S+")
_NUMBERS = re.compile(r"(?:(?P<name>[^\s=,]+)=)?(?P<first>[0-9]{1,9})(?:-(?P<last>[0-9]{1,9}))?")


@dataclass(frozen=True)
class Region:
    """Characters `start` to `end - 1` of a sentence. name: "" for a region without one. number: from 1."""

    number: int
    name: str
    start: int
    end: int

    @property
    def label(self) -> str:
        """The name, or else the number."""
        return self.name or str(self.number)


@dataclass(frozen=True)
class Sentence:
    """A text without marks, and its regions in the order of the text."""

    text: str
    regions: tuple[Region, ...] = ()


Reader = Callable[[str, Mapping[str, Any]], Sentence]
"""Text, and the row that it is from -> sentence. Raises InputError for marks that cannot be read."""


@dataclass(frozen=True)
class RegionMarks:
    """How regions are given. column: the column that has them; None: they are marked in the text."""

    read: Reader
    column: str | None = None

    @classmethod
    def of(cls, kind: str) -> RegionMarks:
        """The marks of a kind, one of KINDS. Raises InputError for another one."""
        name, _, column = kind.partition(":")
        if kind in _IN_TEXT:
            read_text = _IN_TEXT[kind]
            return cls(lambda text, row: read_text(text))
        if name in _IN_COLUMN and column:
            read = _IN_COLUMN[name]
            return cls(lambda text, row: Sentence(text, tuple(read(text, _plain(row.get(column))))), column)
        raise InputError(
            f"regions must be one of {', '.join(KINDS)}, got {quoted(kind)}{nearest(name, [*_IN_TEXT, *_IN_COLUMN])}"
        )


def bracketed(text: str) -> Sentence:
    """The sentence of a text in which regions are in brackets."""
    regions: list[Region] = []
    plain: list[str] = []
    begun: int | None = None
    after_bracket = False
    for kind, content in _pieces(text):
        if kind == "name":
            if not after_bracket:
                raise InputError(f"a name in braces follows a closing bracket: {quoted(text)}; write \\{{ for a brace")
            regions[-1] = Region(len(regions), _name(content, text), regions[-1].start, regions[-1].end)
        elif (kind, content) == ("mark", "["):
            if begun is not None:
                raise InputError(f"there is a bracket within brackets in {quoted(text)}; write \\[ for a bracket")
            begun = len(plain)
        elif (kind, content) == ("mark", "]"):
            if begun is None:
                raise InputError(f"a bracket is closed that was not opened in {quoted(text)}; write \\] for a bracket")
            regions.append(Region(len(regions) + 1, "", begun, len(plain)))
            begun = None
        else:
            plain.append(content)
        after_bracket = (kind, content) == ("mark", "]")
    if begun is not None:
        raise InputError(f"a bracket is not closed in {quoted(text)}; write \\[ for a bracket")
    return Sentence("".join(plain), tuple(regions))


def barred(text: str) -> Sentence:
    """The sentence of a text in which bars separate regions."""
    parts: list[list[str]] = [[]]
    names = [""]
    for kind, content in _pieces(text):
        if (kind, content) == ("mark", "|"):
            parts.append([])
            names.append("")
        elif names[-1] and (kind == "name" or not content.isspace()):
            raise InputError(f"the name of a region ends its part of {quoted(text)}; write \\{{ for a brace")
        elif kind == "name":
            names[-1] = _name(content, text)
        else:
            parts[-1].append(content)
    contents = ["".join(part).strip() for part in parts]
    between = "" if has_no_spaces("".join(contents)) else " "
    joined = ""
    regions: list[Region] = []
    for number, (content, name) in enumerate(zip(contents, names, strict=True), start=1):
        if content:
            joined += between if joined else ""
            regions.append(Region(number, name, len(joined), len(joined) + len(content)))
            joined += content
        else:
            regions.append(Region(number, name, len(joined), len(joined)))
    return Sentence(joined, tuple(regions))


def of_word_numbers(text: str, given: Any) -> Iterator[Region]:
    """The regions that word numbers and ranges name, the first word being 1. None and "" name none."""
    words = [word.span() for word in _WORD.finditer(text)]
    items = _NUMBERS_APART.split(str(given).strip()) if not isinstance(given, list) else [str(item) for item in given]
    found: list[tuple[int, int, str]] = []
    for item in items if given is not None else ():
        match = _NUMBERS.fullmatch(item)
        if match is None:
            if item:
                raise InputError(f"expected numbers of words, as in 2 or 5-7 or verb=3, got {quoted(item)}")
            continue
        first, last = int(match["first"]), int(match["last"] or match["first"])
        if not 1 <= first <= last <= len(words):
            raise InputError(
                f"there are no words {quoted(item)}: words are numbered from 1, and the text {quoted(text, 40)} has "
                f"{len(words)}"
            )
        found.append((first, last, match["name"] or ""))
    found.sort()
    for number, (first, last, name) in enumerate(found, start=1):
        if number > 1 and first <= found[number - 2][1]:
            raise InputError(f"word {first} of {quoted(text, 40)} is in two regions")
        yield Region(number, name, words[first - 1][0], words[last - 1][1])


def of_word_names(text: str, given: Any) -> Iterator[Region]:
    """The regions of a name for each word; None names none."""
    words = [word.span() for word in _WORD.finditer(text)]
    if given is None or given == "":
        return
    names = [str(item) for item in given] if isinstance(given, list) else str(given).split()
    if len(names) != len(words):
        raise InputError(f"there are {len(names)} names of regions for the {len(words)} words of {quoted(text, 40)}")
    number = 0
    for name, group in groupby(zip(names, words, strict=True), key=lambda pair: pair[0]):
        spans = [span for _, span in group]
        if name != "-":
            number += 1
            yield Region(number, name, spans[0][0], spans[-1][1])


_NUMBERS_APART = re.compile(r"[\s,;]+")
_IN_TEXT: dict[str, Callable[[str], Sentence]] = {"brackets": bracketed, "bars": barred}
_IN_COLUMN: dict[str, Callable[[str, Any], Iterator[Region]]] = {"numbers": of_word_numbers, "names": of_word_names}


def _plain(cell: Any) -> Any:
    """A cell without the types of libraries: arrays as lists, 3.0 as 3, NaN as None."""
    if hasattr(cell, "tolist"):
        cell = cell.tolist()
    if isinstance(cell, float):
        return None if math.isnan(cell) else int(cell) if cell.is_integer() else cell
    return [_plain(item) for item in cell] if isinstance(cell, list) else cell


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    """The marks, names and ordinary characters of a marked text. A brace without a name in it is ordinary."""
    for match in _PIECE.finditer(text):
        escaped, name, other = match.groups()
        if escaped is not None:
            yield "character", escaped
        elif name is not None:
            yield "name", name
        else:
            yield ("mark" if other in "[]|" else "character"), other


def _name(content: str, text: str) -> str:
    if not content.strip():
        raise InputError(f"the name of a region is empty in {quoted(text)}; write \\{{ for a brace")
    return content.strip()

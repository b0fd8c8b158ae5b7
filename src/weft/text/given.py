"""Lines and texts that a Python program passes: strings, lists, generators, arrays and columns of data frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from typing import Any

from weft.errors import InputError
from weft.text.decoding import Pieces
from weft.text.rules import lines_of, text_of

Text = str | Iterable[str]
"""A text: a string of any number of lines, or an iterable of lines, each with or without its line end."""


def given_lines(lines: Any, *, gaps: bool = False) -> Iterator[str | None]:
    """The lines that are given as they are written, each once; a string is a text, whose lines are taken.

    gaps  whether None among the elements of a list or generator is a line that could not be read. In an array or column
          None is a missing value.

    Raises InputError, at once or at the element, for what is no line: bytes, paths, tables, missing values, numbers.
    """
    if isinstance(lines, str):
        return iter(lines_of(lines))
    if isinstance(lines, (bytes, bytearray)):
        raise InputError("expected lines of text, got bytes: decode them first, for instance with .decode('utf-8')")
    if isinstance(lines, PathLike):
        raise InputError(f"expected lines of text, got the path {str(lines)!r}: open the file, and give the file")
    if isinstance(lines, Mapping) or hasattr(lines, "columns"):
        raise InputError(f"expected lines of text, got a {type(lines).__name__}: give one of its columns")
    if not isinstance(lines, Iterable):
        raise InputError(f"expected a text or lines of text, got {lines!r}")
    return _checked(lines, gaps=gaps and not hasattr(lines, "dtype"))


def given_text(text: Text, marker: str = "") -> str:
    """The text with "\\n" between its lines, none after the last. Raises InputError as `given_lines` does."""
    if isinstance(text, str):
        return text_of(text, marker)
    return "\n".join(text_of(line, marker) for line in given_lines(text) if line is not None)


def given_pieces(text: Text, marker: str = "") -> Iterator[str]:
    """The text in pieces that end in "\n": every line that is given, of a corpus its own pieces as they are."""
    if isinstance(text, Pieces):
        return iter(text)
    lines = [text] if isinstance(text, str) else given_lines(text)
    return (text_of(line, marker) + "\n" for line in lines if line is not None)


def _checked(lines: Iterable[Any], *, gaps: bool) -> Iterator[str | None]:
    for index, line in enumerate(lines):
        if not isinstance(line, str) and not (gaps and line is None):
            raise InputError(f"line {index:,} (from 0) is {_described(line)}")
        yield line


def _described(value: object) -> str:
    if value is None or value != value or type(value).__name__ in ("NAType", "NaTType"):
        return "missing: drop missing lines first, or replace them by empty ones"
    if isinstance(value, bytes):
        return f"bytes, not a string: {value[:20]!r}"
    return f"of the type {type(value).__name__}, not a string: {str(value)[:40]!r}"

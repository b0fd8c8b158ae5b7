"""The lines of n-best lists with file and line number, for error messages."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from weft.errors import InputError, quoted
from weft.text.decimals import decimal
from weft.text.lines import read_lines
from weft.text.paths import exists, missing, user_path

LARGEST_SCORE = 1e15
"""Largest absolute value of a log score: among larger ones a float cannot hold a difference of one nat."""

A_SCORE = f"a finite number from {-LARGEST_SCORE:g} to {LARGEST_SCORE:g}"


@dataclass(frozen=True)
class Line:
    """A line of a file; the first has number 1."""

    source: str
    number: int
    text: str

    def error(self, message: str) -> InputError:
        """An error with the file and the number of this line."""
        source = "standard input" if self.source == "-" else self.source
        return InputError(f"{source}, line {self.number}: {message}")

    def finite(self, name: str, text: str) -> float:
        """The log score that `text` is; raises InputError unless it is a decimal number up to LARGEST_SCORE."""
        number = decimal(text)
        if math.isnan(number):
            raise self.error(f"{name} must be a finite number, got {quoted(text)}")
        if abs(number) > LARGEST_SCORE:
            raise self.error(f"{name} must be {A_SCORE}, got {quoted(text)}")
        return number


def lines_of(source: str) -> Iterator[Line]:
    """The lines of a file, `.gz` or not, or of standard input ("-").

    Raises MissingFileError, and InputError with the line for bytes that are not UTF-8.
    """
    for number, text in enumerate(read_lines(source), start=1):
        yield Line(source, number, text)


def files_of(sources: Sequence[str]) -> Iterator[str]:
    """The files named, and the files in the folders named, sorted by name within a folder.

    Raises InputError for a folder without files, MissingFileError for a missing file.
    """
    for source in sources:
        path = user_path(source)
        if source != "-" and not exists(path):
            raise missing(path, "file")
        if source == "-" or not path.is_dir():
            yield source
            continue
        files = sorted(str(file) for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
        if not files:
            raise InputError(f"the folder {source} holds no files")
        yield from files

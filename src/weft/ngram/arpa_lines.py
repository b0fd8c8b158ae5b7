"""The lines of an ARPA file with their numbers, and error messages with the line number."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from weft.errors import InputError
from weft.files import opened

ROWS_AT_ONCE = 1 << 16
MAX_LINES_BEFORE_DATA = 100
LONGEST_LINE = 1 << 20
"""Bytes; a file with a longer line is not an ARPA file."""


class Rows(NamedTuple):
    """Some lines of a section, and their numbers in the file, from 1."""

    lines: list[bytes]
    numbers: list[int]


@contextmanager
def open_arpa(path: Path) -> Iterator[ArpaLines]:
    """The lines of the file `path`, decompressed if its name ends in .gz.

    Raises MissingFileError if there is no file, and InputError if it cannot be read.
    """
    with opened(path) as file:
        yield ArpaLines(file, path)


class ArpaLines:
    """Lines without the white space around them; empty lines are skipped."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self._path = file, path
        self._number = 0
        self._line = b""
        self._again = False

    def error(self, what: str, number: int | None = None) -> InputError:
        """The error about a line, by default the one read last."""
        return InputError(f"{self._path}, line {self._number if number is None else number:,}: {what}")

    def next(self) -> bytes:
        """The next line; raises InputError at the end of the file."""
        if self._again:
            self._again = False
            return self._line
        while True:
            line = self._file.readline(LONGEST_LINE)
            if not line:
                raise InputError(f"{self._path} is cut short: it ends after line {self._number:,}, without \\end\\")
            self._number += 1
            if stripped := line.strip():
                self._line = stripped
                return stripped

    def put_back(self) -> None:
        """Make the line read last the next line again."""
        self._again = True

    def expect(self, line: bytes) -> None:
        """Read the line `line`; raises InputError for another one."""
        found = self.next()
        if found != line:
            shown = found[:60].decode("utf-8", errors="backslashreplace")
            raise self.error(f"expected {line.decode()}, got {shown!r}")

    def find_data(self) -> None:
        """Skip everything up to the line \\data\\; raises InputError if there is none."""
        reason = "it has no line \\data\\"
        try:
            for _ in range(MAX_LINES_BEFORE_DATA):
                line = self.next().removeprefix(codecs.BOM_UTF8)
                if line == b"\\data\\":
                    return
                if line.startswith(b"mmap lm http://kheafield.com/code"):
                    reason = "it is in KenLM's binary format, which weft cannot read; give the ARPA file it was made of"
                    break
                if line.startswith(b"\x1f\x8b"):
                    reason = "it is compressed with gzip; give it a name that ends in .gz"
                    break
        except InputError:
            pass
        raise InputError(f"{self._path} is not an ARPA file: {reason}")

    def section(self, n: int, count: int) -> Iterator[Rows]:
        """The n-grams, at most ROWS_AT_ONCE lines at a time; raises InputError unless there are `count` of them."""
        self.expect(f"\\{n}-grams:".encode())
        found = 0
        rows = Rows([], [])
        while not (line := self.next()).startswith(b"\\"):
            rows.lines.append(line)
            rows.numbers.append(self._number)
            found += 1
            if len(rows.lines) == ROWS_AT_ONCE:
                yield rows
                rows = Rows([], [])
        if found != count:
            raise self.error(f"here end {found:,} {n}-grams, but \\data\\ says that there are {count:,}")
        self.put_back()
        if rows.lines:
            yield rows

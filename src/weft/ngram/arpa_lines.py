"""The lines of an ARPA file, in fields and with their numbers, and error messages with the line number.

The white space of the format is blank, tab, carriage return and line feed. Any other character can be part of a word.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from weft.errors import InputError, quoted
from weft.files import opened
from weft.ngram.counts import Ints

WHITE_SPACE = " \t\r\n"
ROWS_AT_ONCE = 1 << 16
MAX_LINES_BEFORE_DATA = 100
LONGEST_LINE = 1 << 20
"""Bytes; a file with a longer line is not an ARPA file."""
BLOCK_BYTES = 1 << 22

_BLANKS = WHITE_SPACE.encode()
_TO_BLANK = bytes.maketrans(_BLANKS, b" " * len(_BLANKS))
_OTHER_BLANKS = (b"\x0b", b"\x0c")
"""White space to `bytes.split`, but not in the format."""


class Rows(NamedTuple):
    """Some lines of a section that are not empty: the fields of each, their number (R,), and the line number (R,)."""

    fields: Sequence[list[bytes]]
    lengths: Ints
    numbers: Ints


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
        self._lines: list[bytes] = []
        self._place = 0  # of the next line in self._lines
        self._before = 0  # the number of lines of the file before self._lines
        self._rest = b""
        self._plain = True  # whether `bytes.split` cuts self._lines at the white space of the format alone

    @property
    def _number(self) -> int:
        """The number of the line read last, from 1."""
        return self._before + self._place

    def error(self, what: str, number: int | None = None) -> InputError:
        """The error about a line, by default the one read last."""
        return InputError(f"{self._path}, line {self._number if number is None else number:,}: {what}")

    def next(self) -> bytes:
        """The next line; raises InputError at the end of the file."""
        line = self._next()
        if line is None:
            raise self._cut_short()
        self._check_length([line])
        return line

    def put_back(self) -> None:
        """Make the line read last the next line again."""
        self._place -= 1

    def expect(self, line: bytes) -> None:
        """Read the line `line`; raises InputError for another one."""
        found = self.next()
        if found != line:
            raise self.error(f"expected {line.decode()}, got {quoted(found)}")

    def expect_end(self) -> None:
        """Read to the end of the file; raises InputError for a line that is not empty."""
        line = self._next()
        if line is not None:
            raise self.error(f"expected the end of the file after \\end\\, got {quoted(line)}")

    def find_data(self) -> None:
        """Skip everything up to the line \\data\\; raises InputError if there is none."""
        for _ in range(MAX_LINES_BEFORE_DATA):
            line = (self._next() or b"").removeprefix(codecs.BOM_UTF8)
            if line == b"\\data\\":
                return
            if line.startswith(b"mmap lm http://kheafield.com/code"):
                raise self._not_arpa(
                    "it is in KenLM's binary format, which weft cannot read; give the ARPA file it was made of"
                )
            if line.startswith(b"\x1f\x8b"):
                raise self._not_arpa("it is compressed with gzip; give it a name that ends in .gz")
        raise self._not_arpa("it has no line \\data\\")

    def section(self, n: int, count: int) -> Iterator[Rows]:
        """The n-grams, at most ROWS_AT_ONCE lines at a time; raises InputError unless there are `count` of them."""
        self.expect(f"\\{n}-grams:".encode())
        found = 0
        while True:
            if self._place == len(self._lines) and not self._read_block():
                raise self._cut_short()
            most = min(max(count - found, 1 << 10), ROWS_AT_ONCE)
            lines = self._lines[self._place : self._place + most]
            self._check_length(lines)
            fields = self._fields(lines)
            lengths = np.fromiter(map(len, fields), np.int64, len(fields))
            single = np.flatnonzero(lengths == 1).tolist()
            end = next((row for row in single if fields[row][0].startswith(b"\\")), len(fields))
            filled = np.flatnonzero(lengths[:end])
            found += len(filled)
            numbers = self._number + 1 + filled
            self._place += end
            if end < len(fields) and found != count:
                what = f"here end {found:,} {n}-grams, but \\data\\ says that there are {count:,}"
                raise self.error(what, self._number + 1)
            if len(filled):
                rows = fields[:end] if len(filled) == end else [fields[row] for row in filled.tolist()]
                yield Rows(rows, lengths[filled], numbers)
            if end < len(fields):
                return

    def _next(self) -> bytes | None:
        """The next line that is not empty; None at the end of the file."""
        while self._place < len(self._lines) or self._read_block():
            line = self._lines[self._place].strip(_BLANKS)
            self._place += 1
            if line:
                return line
        return None

    def _read_block(self) -> bool:
        """Replace the lines, all of them read, by those of the next block; False at the end of the file."""
        self._before, self._lines, self._place = self._number, [], 0
        while not self._lines:
            block = self._file.read(BLOCK_BYTES)
            if not block:
                self._lines, self._rest = [self._rest] if self._rest else [], b""
                break
            block = self._rest + block
            self._plain = not any(blank in block for blank in _OTHER_BLANKS)
            *self._lines, self._rest = block.split(b"\n")
            if len(self._rest) > LONGEST_LINE:  # `_check_length` refuses it; the file may be one endless line
                self._lines.append(self._rest)
                self._rest = b""
        return bool(self._lines)

    def _fields(self, lines: Sequence[bytes]) -> list[list[bytes]]:
        """The fields of each line."""
        if self._plain:
            return [line.split() for line in lines]
        return [[field for field in line.translate(_TO_BLANK).split(b" ") if field] for line in lines]

    def _check_length(self, lines: Sequence[bytes]) -> None:
        """Raise InputError for a line longer than LONGEST_LINE."""
        if max(map(len, lines), default=0) > LONGEST_LINE:
            raise self._not_arpa(f"it has a line of more than {LONGEST_LINE:,} bytes")

    def _not_arpa(self, reason: str) -> InputError:
        return InputError(f"{self._path} is not an ARPA file: {reason}")

    def _cut_short(self) -> InputError:
        return InputError(f"{self._path} is cut short: it ends after line {self._number:,}, without \\end\\")

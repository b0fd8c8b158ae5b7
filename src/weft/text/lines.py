"""Lines of a file or of standard input, each available as soon as it has been read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from weft.errors import InputError
from weft.files import opened, reading
from weft.text.byte_sources import standard_input
from weft.text.facts import TextFacts
from weft.text.paths import check_readable, exists, missing, user_path
from weft.text.rules import BYTE_ORDER_MARK

LONGEST_LINE = 1 << 22
"""Most bytes in a line: a text without line ends is refused before it fills the memory."""


def read_lines(source: str, facts: TextFacts | None = None) -> Iterator[str]:
    """The lines of the file `source`, or of standard input for "-", without their line ends. Empty lines are included.

    A file whose name ends in `.gz` is decompressed. facts: receives what deserves a note about the text. The rules of
    lines are those of `weft.text.rules`, without a marker.

    Raises MissingFileError, and InputError for a file that is not UTF-8 text, with the number of the line and the byte
    offset in the decompressed text.
    """
    for line in lines_or_faults(source, facts):
        if isinstance(line, InputError):
            raise line
        yield line


def lines_or_faults(source: str, facts: TextFacts | None = None) -> Iterator[str | InputError]:
    """As `read_lines`, but a line that cannot be decoded is replaced by its error, and reading continues.

    Raises MissingFileError, and InputError if the source cannot be read any further.
    """
    name = name_of(source)
    facts = facts or TextFacts()
    with _open(source) as file:
        number = offset = 0
        while line := file.readline(LONGEST_LINE):
            number += 1
            if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                raise InputError(
                    f"{name}: line {number} is longer than {LONGEST_LINE:,} bytes; cut it into lines first"
                )
            text = _decoded(line, name, number, offset)
            if isinstance(text, str):
                facts.add_block(text)
                facts.add_lines(text, text.endswith("\n"))
                text = text.lstrip(BYTE_ORDER_MARK).removesuffix("\n").rstrip("\r")
            if text or line.endswith(b"\n"):  # marks and "\r" alone are no line at the end of a text
                yield text
            offset += len(line)


def name_of(source: str) -> str:
    """The name of a source in messages."""
    return "standard input" if source == "-" else source


@contextmanager
def _open(source: str) -> Iterator[BinaryIO]:
    if source == "-":
        with reading(name_of(source)), standard_input() as file:
            yield file
        return
    path = user_path(source)
    if not exists(path):
        raise missing(path, "file")
    check_readable(path)
    with opened(path) as file:
        yield file


def _decoded(line: bytes, name: str, number: int, offset: int) -> str | InputError:
    if (zero := line.find(0)) >= 0:
        return InputError(f"{name} looks binary: there is a zero byte in line {number}, at byte {offset + zero:,}")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        return InputError(
            f"{name} is not UTF-8: line {number}, byte {offset + error.start:,}; convert it to UTF-8 first"
        )

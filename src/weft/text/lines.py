"""Lines of a file or of standard input, each available as soon as it has been read."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

from weft.errors import InputError
from weft.files import opened, reading
from weft.text.byte_sources import standard_input

LONGEST_LINE = 1 << 22
"""Most bytes in a line: a text without line ends is refused before it fills the memory."""


def read_lines(source: str) -> Iterator[str]:
    """The lines of the file `source`, or of standard input for "-", without their line ends. Empty lines are included.

    A file whose name ends in `.gz` is decompressed.

    Raises MissingFileError, and InputError for a file that is not UTF-8 text, with the number of the line and the byte
    offset in the decompressed text.
    """
    for line in lines_or_faults(source):
        if isinstance(line, InputError):
            raise line
        yield line


def lines_or_faults(source: str) -> Iterator[str | InputError]:
    """As `read_lines`, but a line that cannot be decoded is replaced by its error, and reading continues.

    Raises MissingFileError, and InputError if the source cannot be read any further.
    """
    name = "standard input" if source == "-" else source
    with reading(name), standard_input() if source == "-" else opened(Path(source)) as file:
        number = offset = 0
        while line := file.readline(LONGEST_LINE):
            number += 1
            if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                raise InputError(
                    f"{name}: line {number} is longer than {LONGEST_LINE:,} bytes; cut it into lines first"
                )
            mark = codecs.BOM_UTF8 if offset == 0 and line.startswith(codecs.BOM_UTF8) else b""
            yield _decoded(line[len(mark) :], name, number, offset + len(mark))
            offset += len(line)


def _decoded(line: bytes, name: str, number: int, offset: int) -> str | InputError:
    if (zero := line.find(0)) >= 0:
        return InputError(f"{name} looks binary: there is a zero byte in line {number}, at byte {offset + zero:,}")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        return InputError(
            f"{name} is not UTF-8: line {number}, byte {offset + error.start:,}; convert it to UTF-8 first"
        )
    return text.removesuffix("\n").removesuffix("\r")

"""Lines of a file or of standard input as they come, for what is answered line by line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

from weft.errors import InputError, MissingFileError


def read_lines(source: str) -> Iterator[str]:
    """The lines of the file `source`, or of standard input for "-", without their ends; empty lines stay in place.

    Raises MissingFileError, and InputError for what is not UTF-8 (with the line and the byte offset) or not a file.
    """
    name = "standard input" if source == "-" else source
    try:
        with nullcontext(sys.stdin.buffer) if source == "-" else Path(source).open("rb") as file:
            offset = 0
            for number, line in enumerate(file, start=1):
                yield _decoded(line, name, number, offset)
                offset += len(line)
    except FileNotFoundError:
        raise MissingFileError(f"there is no file {source}") from None
    except OSError as error:
        raise InputError(f"cannot read {name}: {error.strerror}") from None


def _decoded(line: bytes, name: str, number: int, offset: int) -> str:
    try:
        text = line.decode("utf-8-sig" if offset == 0 else "utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name} is not UTF-8: line {number}, byte {offset + error.start:,}; convert it to UTF-8 first"
        ) from None
    return text.removesuffix("\n").removesuffix("\r")

"""Where output goes: results to standard output, notes and errors to standard error.

Output for programs is UTF-8 with "\\n" at line ends, whatever the locale and the terminal. In a text for people,
controls are escaped on a terminal.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import TextIO

from weft.presentation.escapes import for_terminal, one_line
from weft.presentation.records import tsv_row

_errors: ContextVar[TextIO | None] = ContextVar("errors", default=None)
"""The stream of errors where notes are discarded."""


def set_encodings() -> None:
    """Standard output is UTF-8 unless it is a terminal; what a terminal cannot show is escaped."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    if hasattr(sys.stdout, "reconfigure") and not sys.stdout.isatty():
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")


def write(text: str) -> None:
    """Write text for programs to standard output at once: the same bytes on a terminal and elsewhere."""
    stream = sys.stdout
    stream.flush()
    buffer = getattr(stream, "buffer", None)
    if buffer is None:  # a stream of text in memory, as in a notebook
        stream.write(text)
    else:
        buffer.write(text.encode("utf-8", errors="backslashreplace"))
    stream.flush()


def write_rows(*rows: Sequence[str]) -> None:
    """Write tab-separated rows for programs to standard output."""
    write("".join(map(tsv_row, rows)))


def write_text(text: str) -> None:
    """Write a text to standard output at once: controls are escaped on a terminal, and kept elsewhere."""
    if sys.stdout.isatty():
        sys.stdout.write(for_terminal(text))
        sys.stdout.flush()
    else:
        write(text)


def note(line: str) -> None:
    """Write a line that is not a result to standard error; nothing happens if that has no reader any more."""
    _print(one_line(line), sys.stderr)


def error(line: str) -> None:
    """Write an error of one line to standard error, within `quiet` too."""
    _print(f"weft: {one_line(line)}", _errors.get() or sys.stderr)


def _print(line: str, stream: TextIO) -> None:
    with suppress(OSError, ValueError):  # ValueError: the stream was closed in this process
        print(line, file=stream, flush=True)


@contextmanager
def quiet() -> Iterator[None]:
    """A context manager that discards what is written to standard error, except errors."""
    token = _errors.set(sys.stderr)
    try:
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stderr(nowhere):
            yield
    finally:
        _errors.reset(token)

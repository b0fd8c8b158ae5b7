"""A text stream for progress that never fails: when its reader is gone, what is written to it is dropped.

Progress goes to a terminal or a pipe, either of which may close before training ends; the training goes on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TextIO, cast


def lasting(stream: TextIO) -> TextIO:
    """`stream`, without the errors of writing to it."""
    return stream if isinstance(stream, _LastingStream) else cast(TextIO, _LastingStream(stream))


class _LastingStream:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._gone = False

    def write(self, text: str) -> int:
        if not self._gone:
            try:
                self._stream.write(text)
            except (OSError, ValueError):  # ValueError: the stream was closed in this process
                self._gone = True
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if not self._gone:
            try:
                self._stream.flush()
            except (OSError, ValueError):
                self._gone = True

    def isatty(self) -> bool:
        return not self._gone and self._stream.isatty()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

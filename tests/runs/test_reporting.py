"""Where the progress of a run is shown."""

from __future__ import annotations

import io

import pytest

from weft.runs.reporting import progress_on
from weft.training.live_progress import LiveProgress
from weft.training.progress import PlainProgress


def test_a_stream_that_is_not_a_terminal_gets_plain_lines() -> None:
    assert isinstance(progress_on(io.StringIO()), PlainProgress)


def test_a_terminal_gets_live_progress_unless_it_is_dumb(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(progress_on(Terminal()), LiveProgress)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(progress_on(Terminal()), PlainProgress)

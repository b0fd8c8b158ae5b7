"""Notes, and what `quiet` leaves of them."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

import pytest

from weft.presentation import streams


def test_quiet_leaves_errors_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with streams.quiet():
        streams.note("a note")
        print("progress", file=sys.stderr)
        streams.error("an error")
    streams.note("another note")
    assert capsys.readouterr().err == "weft: an error\nanother note\n"


def test_a_note_without_a_reader_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        streams.note("a note")
        streams.error("an error")
        with suppress(BrokenPipeError):
            stream.close()


def test_a_note_is_one_line_without_controls(capsys: pytest.CaptureFixture[str]) -> None:
    streams.note("a\x1b[2J\nb")
    assert capsys.readouterr().err == "a\\x1b[2J\\nb\n"

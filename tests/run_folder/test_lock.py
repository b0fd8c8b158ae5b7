"""One process at a time writes into a run folder; the lock ends with its process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from weft.errors import InputError
from weft.files.locking import try_lock
from weft.run_folder import locked
from weft.run_folder.layout import LOCK
from weft.run_folder.lock import is_locked

HOLD = """
import sys
from pathlib import Path
from weft.run_folder import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(run: Path) -> subprocess.Popen[str]:
    """A process that holds the lock until its standard input is closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_process_is_refused_at_once_and_told_which_holds_it(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with holder(run) as process:
        assert is_locked(run)
        began = time.monotonic()
        with pytest.raises(InputError, match=rf"being written by another process \({process.pid}\)"), locked(run):
            pass
        assert time.monotonic() - began < 1
        process.communicate("")
    with locked(run):
        assert is_locked(run)
        with pytest.raises(InputError, match=f"process .{os.getpid()}."), locked(run):
            pass
    assert not is_locked(run)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with holder(run) as process:
        process.send_signal(signal.SIGKILL)
    assert (run / LOCK).exists()
    assert not is_locked(run)
    with locked(run):
        assert (run / LOCK).read_text() == f"{os.getpid()}\n"
    assert list(run.iterdir()) == []


def test_folders_that_were_created_and_stay_empty_are_removed(tmp_path: Path) -> None:
    with locked(tmp_path / "deep" / "run"):
        assert (tmp_path / "deep" / "run" / LOCK).exists()
    assert list(tmp_path.iterdir()) == []
    with locked(tmp_path / "deep" / "run"):
        (tmp_path / "deep" / "run" / "file").touch()
    assert [path.name for path in (tmp_path / "deep" / "run").iterdir()] == ["file"]


def test_a_lock_file_that_was_removed_in_between_locks_nobody(tmp_path: Path) -> None:
    with locked(tmp_path):
        (tmp_path / LOCK).unlink()
        with locked(tmp_path):
            assert is_locked(tmp_path)


def test_a_file_system_without_locks_is_locked_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, real = tmp_path / "run", try_lock

    def only_elsewhere(descriptor: int) -> bool | None:
        path = run / LOCK
        here = path.exists() and os.path.samestat(path.stat(), os.fstat(descriptor))
        return None if here else real(descriptor)

    monkeypatch.setattr("weft.run_folder.lock.try_lock", only_elsewhere)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    with locked(run):
        assert list(run.iterdir()) == []
        assert len(list(tmp_path.glob("weft-*.lock"))) == 1
        assert is_locked(run)
        with pytest.raises(InputError, match="being written by another process"), locked(run):
            pass
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr("weft.run_folder.lock.try_lock", lambda descriptor: None)
    with pytest.raises(InputError, match="cannot be locked"), locked(run):
        pass


def test_a_folder_that_cannot_be_written_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write the run folder"), locked(tmp_path / "file" / "run"):
        pass

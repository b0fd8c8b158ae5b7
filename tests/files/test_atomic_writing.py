"""A file is replaced atomically, even if writing is interrupted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from weft.files import replace_atomically, sync_folder, write_text_atomically


def test_text_is_written_as_utf_8_with_unchanged_line_ends(tmp_path: Path) -> None:
    write_text_atomically(tmp_path / "a", "你好 🧵\n\r\n")
    assert (tmp_path / "a").read_bytes() == "你好 🧵\n\r\n".encode()


def test_the_old_file_is_kept_until_the_new_one_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with replace_atomically(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_after_an_error_only_the_old_file_is_left(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def interrupted() -> None:
        with replace_atomically(path) as file:
            file.write(b"half of the n")
            raise error

    with pytest.raises(type(error)):
        interrupted()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_names_the_final_file_not_the_temporary_one(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(IsADirectoryError) as failure:
        write_text_atomically(tmp_path / "a", "text")
    assert failure.value.filename == str(tmp_path / "a")


def test_an_error_while_syncing_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def full(descriptor: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        write_text_atomically(path, "new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_data_is_synced_before_renaming(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    named_at_sync = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: named_at_sync.append(path.exists()))
    write_text_atomically(path, "new")
    assert named_at_sync == [False, True], "first the file, and after the rename its folder"


def test_a_file_can_be_read_back_while_it_is_written(tmp_path: Path) -> None:
    with replace_atomically(tmp_path / "a") as file:
        file.write(b"abc")
        file.seek(0)
        assert file.read() == b"abc"


def test_a_missing_folder_raises_the_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_text_atomically(tmp_path / "gone" / "a", "x")


def test_a_folder_that_cannot_be_opened_is_not_synced(tmp_path: Path) -> None:
    sync_folder(tmp_path / "gone")

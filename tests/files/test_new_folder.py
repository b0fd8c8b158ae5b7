"""`new_folder`: a folder appears as a whole, replaces another, or nothing changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from weft.files.folders import new_folder


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_folder_appears_when_the_block_ends(tmp_path: Path) -> None:
    with new_folder(tmp_path / "out") as folder:
        (folder / "a").write_text("new", "utf-8")
        assert not (tmp_path / "out").exists()
    assert names(tmp_path) == ["out", "out/a"]


def test_a_new_folder_replaces_all_of_an_old_one(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("old", "utf-8")
    with new_folder(tmp_path / "out") as folder:
        (folder / "a").write_text("new", "utf-8")
        assert (tmp_path / "out" / "old").exists()
    assert names(tmp_path) == ["out", "out/a"]


def test_after_an_error_nothing_has_changed(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("old", "utf-8")

    def write_until_the_disk_is_full() -> None:
        with new_folder(tmp_path / "out") as folder:
            (folder / "a").write_text("new", "utf-8")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_until_the_disk_is_full()
    assert names(tmp_path) == ["out", "out/old"]


def test_an_error_names_the_folder_and_not_the_temporary_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as raised, new_folder(tmp_path / "out") as folder:
        (folder / "nowhere" / "a").write_text("", "utf-8")
    assert raised.value.filename == str(tmp_path / "out")

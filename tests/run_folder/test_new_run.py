"""A run folder is created atomically; it replaces an older run and no other files."""

from __future__ import annotations

from pathlib import Path

import pytest

from weft.errors import InputError, MissingFileError
from weft.run_folder import CONFIG, DATA, TOKENIZER, check_free, new_run


def prepare(folder: Path, content: str) -> None:
    for name in (CONFIG, TOKENIZER, f"{DATA}/train.safetensors"):
        (folder / name).write_text(f"weft = {content!r}\n", encoding="utf-8")


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_run_exists_once_it_is_prepared(tmp_path: Path) -> None:
    run = tmp_path / "deep" / "run"
    with new_run(run) as folder:
        prepare(folder, "new")
        assert not (run / CONFIG).exists()
    assert sorted(contents(run)) == [CONFIG, "data/train.safetensors", TOKENIZER]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), InputError("wrong"), MissingFileError("gone"), SystemExit()])
def test_after_an_error_the_folder_is_unchanged(tmp_path: Path, error: BaseException) -> None:
    old = tmp_path / "old"
    with new_run(old) as folder:
        prepare(folder, "old")
    before = contents(old)

    def fail(run: Path) -> None:
        with new_run(run) as folder:
            prepare(folder, "new")
            raise error

    for run in (old, tmp_path / "deep" / "run"):
        with pytest.raises(type(error)) as raised:
            fail(run)
        assert raised.value is error
    assert contents(old) == before
    assert list(tmp_path.iterdir()) == [old]


def test_a_folder_that_cannot_be_written_is_an_input_error(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match=r"cannot write the run folder .*run: No space left"),
        new_run(tmp_path / "run"),
    ):
        raise OSError(28, "No space left on device")
    (tmp_path / "file").touch()
    nested = new_run(tmp_path / "file" / "run")
    with pytest.raises(InputError, match=r"cannot write the run folder .*file/run: Not a directory"):
        nested.__enter__()


def test_a_new_run_replaces_the_old_one_and_no_other_files(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with new_run(run) as folder:
        prepare(folder, "old")
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "old").touch()
    (run / "metrics.jsonl").touch()
    (run / "notes.txt").write_text("mine", encoding="utf-8")
    with new_run(run) as folder:
        prepare(folder, "new")
        assert "old" in (run / CONFIG).read_text()
    found = contents(run)
    assert found.pop("notes.txt") == "mine"
    assert sorted(found) == [CONFIG, "data/train.safetensors", TOKENIZER]
    assert all("new" in content for content in found.values())


def test_a_run_may_replace_only_a_run_and_only_with_overwrite(tmp_path: Path) -> None:
    run, other, empty = tmp_path / "run", tmp_path / "other", tmp_path / "empty"
    with new_run(run) as folder:
        prepare(folder, "old")
    other.mkdir()
    (other / CONFIG).write_text("title = 'of another program'\n", encoding="utf-8")
    (empty / ".preparing").mkdir(parents=True)
    for path in (tmp_path / "nothing", empty):
        check_free(path, overwrite=False)
    check_free(run, overwrite=True)
    with pytest.raises(InputError, match="holds a run already"):
        check_free(run, overwrite=False)
    for overwrite in (False, True):
        with pytest.raises(InputError, match="is not a run folder"):
            check_free(other, overwrite)
        with pytest.raises(InputError, match="is a file"):
            check_free(other / CONFIG, overwrite)

"""The catalogue of named corpora, the search for their files, and the command that lists them."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from weft.commands.data import data, print_corpora
from weft.errors import InputError
from weft.text.catalogue import CATALOGUE, NamedCorpus, NamedFile, data_folders, locate, named_corpus

TRAIN, TEST = b"you say goodbye\n", b"i say hello\n"
DATA = os.environ.get("WEFT_DATA", "")


def file_of(name: str, content: bytes) -> NamedFile:
    return NamedFile(name, len(content), hashlib.sha256(content).hexdigest(), ())


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> NamedCorpus:
    files = {"train": file_of("tiny.train.txt", TRAIN), "test": file_of("tiny.test.txt", TEST)}
    corpus = NamedCorpus("tiny", "two lines", "none needed", files)
    monkeypatch.setitem(CATALOGUE, "tiny", corpus)
    return corpus


def put(folder: Path, train: bytes = TRAIN, test: bytes = TEST) -> None:
    folder.mkdir(parents=True)
    (folder / "tiny.train.txt").write_bytes(train)
    (folder / "tiny.test.txt").write_bytes(test)


def test_all_four_corpora_have_a_training_text() -> None:
    assert set(CATALOGUE) == {"ptb", "wikitext-2", "tinyshakespeare", "text8"}
    assert all("train" in corpus.files and corpus.name == name for name, corpus in CATALOGUE.items())


def test_every_file_has_a_hash_and_more_than_one_host_over_https() -> None:
    for corpus in CATALOGUE.values():
        for file in corpus.files.values():
            assert len(bytes.fromhex(file.sha256)) == 32
            assert all(address.url.startswith("https://") for address in file.addresses)
            assert len({urlsplit(address.url).hostname for address in file.addresses}) > 1


def test_files_have_the_names_of_the_reference_layout() -> None:
    names = {name: {split: file.name for split, file in corpus.files.items()} for name, corpus in CATALOGUE.items()}
    assert names["ptb"] == {"train": "ptb.train.txt", "valid": "ptb.valid.txt", "test": "ptb.test.txt"}
    assert names["wikitext-2"]["train"] == "wiki.train.tokens"
    assert names["tinyshakespeare"] == {"train": "input.txt"}
    assert names["text8"] == {"train": "text8"}


def test_an_unknown_name_is_refused_with_the_most_similar_one() -> None:
    assert named_corpus("wikitext2") is None
    with pytest.raises(InputError, match=r'"wikitext2" \(did you mean "wikitext-2"\?\)'):
        locate("wikitext2")


def test_a_corpus_is_found_in_the_folder_of_weft_data(tiny: NamedCorpus, tmp_path: Path) -> None:
    put(tmp_path / "data" / "tiny")
    put(tmp_path / "cache" / "weft" / "tiny")
    folder = tmp_path / "data" / "tiny"
    assert locate("tiny") == {"train": folder / "tiny.train.txt", "test": folder / "tiny.test.txt"}


def test_a_corpus_is_found_in_the_cache_folder(tiny: NamedCorpus, tmp_path: Path) -> None:
    put(tmp_path / "cache" / "weft" / "tiny")
    found = locate("tiny")
    assert found is not None
    assert found["train"].parent == tmp_path / "cache" / "weft" / "tiny"


def test_a_corpus_with_a_missing_file_is_not_located(tiny: NamedCorpus, tmp_path: Path) -> None:
    assert locate("tiny") is None
    put(tmp_path / "data" / "tiny")
    (tmp_path / "data" / "tiny" / "tiny.test.txt").unlink()
    assert locate("tiny") is None


@pytest.mark.parametrize("wrong", [TRAIN + b"more", TRAIN.upper()], ids=["size", "content"])
def test_a_file_with_another_content_is_an_error_that_says_what_to_do(
    tiny: NamedCorpus, tmp_path: Path, wrong: bytes
) -> None:
    put(tmp_path / "data" / "tiny", train=wrong)
    with pytest.raises(InputError, match=r"tiny\.train\.txt is not the file .* expected; move it away") as caught:
        locate("tiny")
    assert str(tmp_path / "data" / "tiny" / "tiny.train.txt") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_weft_data_only_the_cache_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_DATA", "")
    assert data_folders() == [tmp_path / "cache" / "weft"]


def test_a_cache_folder_that_is_not_absolute_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    cache = data_folders()[-1]
    assert cache.is_absolute()
    assert tmp_path in cache.parents


@pytest.mark.skipif(not Path(DATA, "ptb").is_dir(), reason="WEFT_DATA names no folder with ptb")
def test_the_ptb_of_this_machine_has_the_hashes_of_the_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_DATA", DATA)
    assert set(locate("ptb") or {}) == {"train", "valid", "test"}


def test_without_a_terminal_the_list_is_plain_lines(
    tiny: NamedCorpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path / "data" / "tiny")
    data()
    rows = {line.split("\t")[0]: line.split("\t") for line in capsys.readouterr().out.splitlines()}
    assert rows["name"] == ["name", "what it is", "size (MB)", "licence", "where it is"]
    assert rows["text8"][2] == "100.0"
    assert rows["ptb"][4] == "not here"
    assert rows["tiny"][3:] == ["none needed", str(tmp_path / "data" / "tiny")]


def test_the_list_marks_a_file_with_other_content(
    tiny: NamedCorpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path / "data" / "tiny", test=b"?")
    data()
    assert "it has 1 bytes where 12 are expected" in capsys.readouterr().out


def test_the_list_is_a_table_on_a_terminal(tiny: NamedCorpus, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setenv("COLUMNS", "200")
    print_corpora()
    assert "─" in screen.getvalue()
    assert all(name in screen.getvalue() for name in CATALOGUE)


def test_the_paths_of_a_local_corpus_are_printed(
    tiny: NamedCorpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data" / "tiny"
    put(folder)
    data("tiny")
    captured = capsys.readouterr()
    assert captured.out == f"train\t{folder / 'tiny.train.txt'}\ntest\t{folder / 'tiny.test.txt'}\n"
    assert captured.err == ""


def test_the_command_names_the_most_similar_corpus() -> None:
    with pytest.raises(InputError, match='did you mean "ptb"'):
        data("PTB")

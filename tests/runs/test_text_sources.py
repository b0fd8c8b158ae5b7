"""The texts of a run from the names that a user gives."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

import weft
from helpers.command_line import SIZES, write_text
from weft.errors import InputError, MissingFileError
from weft.runs.reporting import Silent
from weft.runs.text_sources import FirstTokens, corpus_files, open_texts


class Pieces:
    def __init__(self, *pieces: str) -> None:
        self._pieces = pieces

    def pieces(self, on_bytes: object = None) -> object:
        return iter(self._pieces)


@pytest.fixture(autouse=True)
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """The files of a corpus, in a folder that is not the working directory."""
    files = {}
    for split in ("train", "valid"):
        files[split] = tmp_path / "corpus" / f"{split}.txt"
        files[split].parent.mkdir(exist_ok=True)
        files[split].write_text(f"{split}\n", encoding="utf-8")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return files


def test_a_named_corpus_includes_its_splits(corpus: dict[str, Path]) -> None:
    texts = open_texts(["ptb"], (), (), lambda name: corpus)
    assert list(texts.train.pieces()) == ["train\n"]
    assert texts.valid is not None
    assert list(texts.valid.pieces()) == ["valid\n"]
    assert texts.test is None
    Path("own.txt").write_text("own\n", encoding="utf-8")
    texts = open_texts(["ptb"], ["own.txt"], (), lambda name: corpus)
    assert texts.valid is not None
    assert list(texts.valid.pieces()) == ["own\n"]


def test_a_file_with_the_name_of_a_corpus_is_preferred(corpus: dict[str, Path]) -> None:
    Path("ptb").write_text("mine\n", encoding="utf-8")
    assert list(open_texts(["ptb"], (), (), lambda name: corpus).train.pieces()) == ["mine\n"]


def test_skipped_files_in_folders_are_listed() -> None:
    Path("texts").mkdir()
    Path("texts/a.txt").write_text("text\n", encoding="utf-8")
    Path("texts/b.txt").touch()
    assert open_texts(["texts"], (), (), lambda name: {}).skipped == ("texts/b.txt",)


@pytest.mark.parametrize(
    ("sources", "error", "message"),
    [
        (["pbt"], MissingFileError, r'there is no file, folder or corpus pbt \(did you mean "ptb"\?\)'),
        (["txet8"], MissingFileError, r'\(did you mean "text8"\?\)'),
        ([""], InputError, "the name of a text is empty"),
        (["ptb", "text8"], InputError, "the corpus ptb is given with other texts; give it alone"),
    ],
)
def test_unknown_names_are_refused_with_a_hint(sources: list[str], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        corpus_files(sources, lambda name: pytest.fail("nothing should be fetched"))


def test_paths_are_not_looked_up_in_the_catalogue() -> None:
    assert corpus_files(["-", "builtin", "*.txt", "no/where.txt"], lambda name: {}) is None


@pytest.mark.parametrize("tokens", range(1, 9))
def test_line_ends_count_among_the_first_words(tokens: int) -> None:
    text = Pieces("a b\n", "\n", "c  d\n", "e\n")
    found = "".join(FirstTokens(text, tokens, of_words=True).pieces())  # type: ignore[arg-type]
    words = ["a", "b", "\n", "\n", "c", "d", "\n", "e"]
    assert [word for word in found.replace("\n", " \n ").split(" ") if word] == words[:tokens]


def test_the_first_tokens_of_a_text_can_be_characters() -> None:
    text = Pieces("ab\n", "你😀\n")
    assert "".join(FirstTokens(text, 4, of_words=False).pieces()) == "ab\n你"  # type: ignore[arg-type]
    assert "".join(FirstTokens(text, 99, of_words=False).pieces()) == "ab\n你😀\n"  # type: ignore[arg-type]


class ChangesTheText(Silent):
    """A reporter that appends to a file before the second reading, as another program might."""

    def reading(self, what: str, size_in_bytes: int | None) -> AbstractContextManager[Callable[[int], None] | None]:
        if what == "building the vocabulary":
            with Path("my.txt").open("a", encoding="utf-8") as file:
                file.write("unforeseen\n")
        return super().reading(what, size_in_bytes)


def test_a_text_that_changes_while_it_is_prepared_is_refused_and_leaves_no_run() -> None:
    write_text(Path("my.txt"))
    with pytest.raises(InputError, match=r"my\.txt changed while it was read: start again"):
        weft.train("my.txt", out="run", epochs=1, reporter=ChangesTheText(), **SIZES)
    assert not Path("run").exists()

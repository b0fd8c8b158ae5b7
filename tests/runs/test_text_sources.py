"""From names to the texts of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from weft.errors import InputError, MissingFileError
from weft.runs.text_sources import FirstTokens, corpus_files, open_texts


class Pieces:
    def __init__(self, *pieces: str) -> None:
        self._pieces = pieces

    def pieces(self, on_bytes: object = None) -> object:
        return iter(self._pieces)


@pytest.fixture(autouse=True)
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """The files of a corpus, in a folder that is not the one we stand in."""
    files = {}
    for split in ("train", "valid"):
        files[split] = tmp_path / "corpus" / f"{split}.txt"
        files[split].parent.mkdir(exist_ok=True)
        files[split].write_text(f"{split}\n", encoding="utf-8")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return files


def test_a_named_corpus_brings_its_splits(corpus: dict[str, Path]) -> None:
    texts = open_texts(["ptb"], (), (), lambda name: corpus)
    assert list(texts.train.pieces()) == ["train\n"]
    assert texts.valid is not None
    assert list(texts.valid.pieces()) == ["valid\n"]
    assert texts.test is None
    Path("own.txt").write_text("own\n", encoding="utf-8")
    texts = open_texts(["ptb"], ["own.txt"], (), lambda name: corpus)
    assert texts.valid is not None
    assert list(texts.valid.pieces()) == ["own\n"]


def test_a_file_of_that_name_goes_before_the_corpus(corpus: dict[str, Path]) -> None:
    Path("ptb").write_text("mine\n", encoding="utf-8")
    assert list(open_texts(["ptb"], (), (), lambda name: corpus).train.pieces()) == ["mine\n"]


def test_files_in_folders_that_are_not_read_are_known() -> None:
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
def test_names_that_mean_nothing_are_told(sources: list[str], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        corpus_files(sources, lambda name: pytest.fail("nothing should be fetched"))


def test_what_is_not_a_bare_name_is_left_to_the_corpus() -> None:
    assert corpus_files(["-", "builtin", "*.txt", "no/where.txt"], lambda name: {}) is None


@pytest.mark.parametrize("tokens", range(1, 9))
def test_the_first_tokens_of_words_count_line_ends(tokens: int) -> None:
    text = Pieces("a b\n", "\n", "c  d\n", "e\n")
    found = "".join(FirstTokens(text, tokens, of_words=True).pieces())  # type: ignore[arg-type]
    words = ["a", "b", "\n", "\n", "c", "d", "\n", "e"]
    assert [word for word in found.replace("\n", " \n ").split(" ") if word] == words[:tokens]


def test_the_first_tokens_of_characters_are_characters() -> None:
    text = Pieces("ab\n", "你😀\n")
    assert "".join(FirstTokens(text, 4, of_words=False).pieces()) == "ab\n你"  # type: ignore[arg-type]
    assert "".join(FirstTokens(text, 99, of_words=False).pieces()) == "ab\n你😀\n"  # type: ignore[arg-type]

"""From what a person names (files, folders, a corpus) to the three texts of a run: training, validation and test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from weft.config import TextConfig
from weft.errors import InputError
from weft.text.corpus import OnBytes, open_corpus
from weft.text.named import named_corpus
from weft.text.split import PieceSource, split_corpus

Fetch = Callable[[str], dict[str, Path]]
"""Split -> file of a corpus known by name, fetched if it is not here."""


@dataclass(frozen=True)
class Texts:
    """What a run reads; `valid` and `test` may be left out."""

    train: PieceSource
    valid: PieceSource | None
    test: PieceSource | None
    size_in_bytes: int | None
    """Bytes of the training source, before anything is split off; None if unknown."""


def open_texts(data: tuple[str, ...], valid: tuple[str, ...], test: tuple[str, ...], fetch: Fetch) -> Texts:
    """Open the texts named; a corpus known by name brings its own validation and test text, unless others are given.

    A file or folder of that name goes before the corpus. Raises InputError and MissingFileError as `open_corpus` does.
    """
    sources: list[str | Path] = list(data)
    if len(data) == 1 and named_corpus(data[0]) is not None and not Path(data[0]).exists():
        files = fetch(data[0])
        sources = [files["train"]]
        own = {split: open_corpus([files[split]]) if split in files else None for split in ("valid", "test")}
    else:
        own = {"valid": None, "test": None}
    train = open_corpus(sources)
    return Texts(
        train,
        open_corpus(valid) if valid else own["valid"],
        open_corpus(test) if test else own["test"],
        train.size_in_bytes,
    )


def split_texts(texts: Texts, config: TextConfig, characters: int) -> Texts:
    """The same with the shares of the training text held out that the configuration asks for, and cut to its length."""
    train, valid, test = texts.train, texts.valid, texts.test
    if config.valid_fraction or config.test_fraction:
        train, split_valid, split_test = split_corpus(train, characters, config.valid_fraction, config.test_fraction)
        valid, test = valid or split_valid, test or split_test
    if config.train_tokens is not None:
        if config.tokenizer == "bpe":
            raise InputError("train_tokens counts words or characters; it cannot be used with the tokenizer bpe")
        train = FirstTokens(train, config.train_tokens, config.tokenizer == "word")
    return Texts(train, valid, test, texts.size_in_bytes)


@dataclass(frozen=True)
class FirstTokens:
    """The first `tokens` tokens of a text, words or characters, the line ends counted."""

    source: PieceSource
    tokens: int
    of_words: bool

    def pieces(self, on_bytes: OnBytes | None = None) -> Iterator[str]:
        left = self.tokens
        for piece in self.source.pieces(on_bytes):
            units = [*piece.split(), *("\n" if piece.endswith("\n") else "")] if self.of_words else piece
            if len(units) >= left:
                last = units[:left]
                yield " ".join(last) if self.of_words else "".join(last)
                return
            left -= len(units)
            yield piece

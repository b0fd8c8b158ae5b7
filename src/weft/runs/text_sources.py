"""From what a person names (files, folders, a corpus) to the three texts of a run: training, validation and test."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from weft.config import TextConfig
from weft.errors import InputError, MissingFileError, nearest
from weft.text.catalogue import CATALOGUE, named_corpus
from weft.text.corpus import OnBytes, open_corpus
from weft.text.split import PieceSource, split_corpus
from weft.text.tokenizers.registry import tokenizer_class

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
    skipped: tuple[str, ...]
    """Files met in folders and by patterns that are empty or binary, and are not read."""


def open_texts(data: Sequence[str], valid: Sequence[str], test: Sequence[str], fetch: Fetch) -> Texts:
    """Open the texts named; a corpus known by name brings its own validation and test text, unless others are given.

    A file or folder of that name goes before the corpus. Raises InputError and MissingFileError as `open_corpus` does.
    """
    files = corpus_files(data, fetch)
    sources: dict[str, Sequence[str | Path]] = {"train": data} if files is None else {k: [v] for k, v in files.items()}
    sources |= {split: given for split, given in (("valid", valid), ("test", test)) if given}
    opened = {split: open_corpus(source) for split, source in sources.items()}
    skipped = [name for corpus in opened.values() for name in corpus.skipped]
    train = opened["train"]
    return Texts(train, opened.get("valid"), opened.get("test"), train.size_in_bytes, tuple(skipped))


def corpus_files(sources: Sequence[str], fetch: Fetch) -> dict[str, Path] | None:
    """The files of the named corpus that `sources` is, by split; None where it is files, folders and the like.

    Raises MissingFileError for a bare name that is none of these, with the nearest, and InputError for a corpus among
    other texts.
    """
    for source in sources:
        if not source:
            raise InputError("the name of a text is empty")
        path = Path(source).expanduser()
        if path.exists() or glob.has_magic(source) or source in ("-", "builtin"):
            continue
        if named_corpus(source) is None and path.name == source:
            known = [*CATALOGUE, "builtin", *(entry.name for entry in Path().iterdir())]
            raise MissingFileError(f"there is no file, folder or corpus {source}{nearest(source, known)}")
        if named_corpus(source) is not None:
            if len(sources) > 1:
                raise InputError(f"the corpus {source} is given with other texts; give it alone")
            return fetch(source)
    return None


def split_texts(texts: Texts, config: TextConfig, characters: int) -> Texts:
    """The same with the shares of the training text held out that the configuration asks for, and cut to its length."""
    train, valid, test = texts.train, texts.valid, texts.test
    if config.valid_fraction or config.test_fraction:
        train, split_valid, split_test = split_corpus(train, characters, config.valid_fraction, config.test_fraction)
        valid, test = valid or split_valid, test or split_test
    if config.train_tokens is not None:
        unit = tokenizer_class(config.tokenizer).unit
        if unit == "subword":
            raise InputError(
                f"train_tokens counts words or characters; it cannot be used with the tokenizer {config.tokenizer}"
            )
        train = FirstTokens(train, config.train_tokens, of_words=unit == "word")
    return replace(texts, train=train, valid=valid, test=test)


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

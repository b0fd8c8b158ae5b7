"""The three texts of a run, training, validation and test, from files, folders or a named corpus."""

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
"""Returns the files of a named corpus by split; downloads those that are not on this machine."""


@dataclass(frozen=True)
class Texts:
    """The texts of a run; `valid` and `test` are optional."""

    train: PieceSource
    valid: PieceSource | None
    test: PieceSource | None
    size_in_bytes: int | None
    """Bytes of the training text before the split; None if unknown."""
    skipped: tuple[str, ...]
    """Empty and binary files that were found in folders or by patterns, and are not read."""


def open_texts(data: Sequence[str], valid: Sequence[str], test: Sequence[str], fetch: Fetch) -> Texts:
    """Open the given texts. A named corpus includes its own validation and test text, which `valid` and `test` replace.

    A file or folder with the name of a corpus is used instead of the corpus. Raises InputError and MissingFileError as
    `open_corpus` and `corpus_files` do.
    """
    files = corpus_files(data, fetch)
    sources: dict[str, Sequence[str | Path]] = {"train": data} if files is None else {k: [v] for k, v in files.items()}
    sources |= {split: given for split, given in (("valid", valid), ("test", test)) if given}
    opened = {split: open_corpus(source) for split, source in sources.items()}
    skipped = [name for corpus in opened.values() for name in corpus.skipped]
    train = opened["train"]
    return Texts(train, opened.get("valid"), opened.get("test"), train.size_in_bytes, tuple(skipped))


def corpus_files(sources: Sequence[str], fetch: Fetch) -> dict[str, Path] | None:
    """The files, by split, of the named corpus that `sources` consists of; None if they are other sources.

    Raises MissingFileError, with the most similar name, for a name that is neither a path nor a corpus, and InputError
    for a corpus together with other sources and for an empty name.
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
    """The texts with shares of the training text held out, and the training text truncated, as `config` says.

    characters  length of the training text in characters

    Raises InputError if the text is too short, and for `train_tokens` with a tokenizer of subwords.
    """
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
    """The first `tokens` tokens of a text, line ends included. Tokens are words if `of_words`, else characters."""

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

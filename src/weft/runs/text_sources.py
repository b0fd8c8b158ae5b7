"""The three texts of a run, training, validation and test, from files, folders or a named corpus."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from weft.config import TextConfig
from weft.errors import InputError, MissingFileError
from weft.text.catalogue import CATALOGUE, named_corpus
from weft.text.corpus import Corpus, OnBytes, open_corpus
from weft.text.decoding import LONGEST_PIECE, cut_anywhere
from weft.text.paths import exists, hint, shown, user_path
from weft.text.rules import AT_SEPARATORS
from weft.text.split import PieceSource, split_corpus
from weft.text.statistics import TextStatistics
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
    corpora: tuple[Corpus, ...]
    """All sources, for notes on what is in them and on what is not read."""

    @property
    def skipped(self) -> tuple[str, ...]:
        """Empty and binary files that were found in folders or by patterns, and are not read."""
        return tuple(name for corpus in self.corpora for name in corpus.skipped)

    def skip_notes(self) -> list[str]:
        """What is not read, with the reason, one line for each reason."""
        return [note for corpus in self.corpora for note in corpus.skip_notes()]

    def notes(self) -> list[str]:
        """What deserves a note about the texts read so far, one line for each fact."""
        return [note for corpus in self.corpora for note in corpus.notes()]


def open_texts(data: Sequence[str], valid: Sequence[str], test: Sequence[str], fetch: Fetch, marker: str = "") -> Texts:
    """Open the given texts. A named corpus includes its own validation and test text, which `valid` and `test` replace.

    A file or folder with the name of a corpus is used instead of the corpus. marker: a word that ends lines, see
    `weft.text.rules`. Raises InputError and MissingFileError as `open_corpus` and `corpus_files` do.
    """
    files = corpus_files(data, fetch)
    sources: dict[str, Sequence[str | Path]] = {"train": data} if files is None else {k: [v] for k, v in files.items()}
    sources |= {split: given for split, given in (("valid", valid), ("test", test)) if given}
    opened = {split: open_corpus(source, marker) for split, source in sources.items()}
    train = opened["train"]
    return Texts(train, opened.get("valid"), opened.get("test"), train.size_in_bytes, tuple(opened.values()))


def corpus_files(sources: Sequence[str], fetch: Fetch) -> dict[str, Path] | None:
    """The files, by split, of the named corpus that `sources` consists of; None if they are other sources.

    Raises MissingFileError, with the most similar name, for a name that is neither a path nor a corpus, and InputError
    for a corpus together with other sources and for an empty name.
    """
    for source in sources:
        if not source:
            raise InputError("the name of a text is empty")
        path = user_path(source)
        if exists(path) or path.is_symlink() or source in ("-", "builtin"):
            continue
        if named_corpus(source) is not None:
            if len(sources) > 1:
                raise InputError(f"the corpus {source} is given with other texts; give it alone")
            return fetch(source)
        if path.name == source and not glob.has_magic(source):
            known = [*CATALOGUE, "builtin", *(entry.name for entry in Path().iterdir())]
            raise MissingFileError(f"there is no file, folder or corpus {shown(source)}{hint(path, known)}")
    return None


def split_texts(texts: Texts, config: TextConfig, statistics: TextStatistics) -> Texts:
    """The texts with shares of the training text held out, and the training text truncated, as `config` says.

    statistics  of the training text

    Raises InputError if the text is too short, and for `train_tokens` with a tokenizer that cuts words.
    """
    train, valid, test = texts.train, texts.valid, texts.test
    unit = tokenizer_class(config.tokenizer).unit
    if config.valid_fraction or config.test_fraction:
        longest = statistics.longest_piece
        if unit == "character" and longest > LONGEST_PIECE + 1:
            train, longest = ShortPieces(train), LONGEST_PIECE + 1
        shares = config.valid_fraction, config.test_fraction
        train, split_valid, split_test = split_corpus(train, statistics.characters, *shares, longest)
        valid, test = valid or split_valid, test or split_test
    if config.train_tokens is not None:
        if unit == "subword" or tokenizer_class(config.tokenizer).separates_punctuation:
            raise InputError(
                f"train_tokens counts words or characters; it cannot be used with the tokenizer {config.tokenizer}"
            )
        train = FirstTokens(train, config.train_tokens, of_words=unit == "word")
    return replace(texts, train=train, valid=valid, test=test)


@dataclass(frozen=True)
class ShortPieces:
    """A text in pieces of at most LONGEST_PIECE characters and a "\\n", whatever the length of its words.

    A text without blanks can then be split anywhere, which only a tokenizer of characters allows.
    """

    source: PieceSource

    def pieces(self, on_bytes: OnBytes | None = None) -> Iterator[str]:
        return cut_anywhere(self.source.pieces(on_bytes))


@dataclass(frozen=True)
class FirstTokens:
    """The first `tokens` tokens of a text, line ends included. Tokens are words if `of_words`, else characters."""

    source: PieceSource
    tokens: int
    of_words: bool

    def pieces(self, on_bytes: OnBytes | None = None) -> Iterator[str]:
        left = self.tokens
        for piece in self.source.pieces(on_bytes):
            units: Sequence[str] = piece
            if self.of_words:
                units = [*AT_SEPARATORS.words(piece), *("\n" if piece.endswith("\n") else "")]
            if len(units) >= left:
                last = units[:left]
                yield " ".join(last) if self.of_words else "".join(last)
                return
            left -= len(units)
            yield piece

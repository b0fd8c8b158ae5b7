"""The models of a mixture, from run folders and ARPA files, and checks that they predict the same tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from weft.errors import InputError, MissingFileError, nearest
from weft.evaluation.evaluate import Scored, token_nats
from weft.language_model import LanguageModel, load
from weft.text.tokenizers.base import Tokenizer
from weft.word_ngram import WordNGram, load_arpa


class Member(Protocol):
    """A model that predicts every token of a text."""

    @property
    def name(self) -> str: ...

    @property
    def tokenizer(self) -> Tokenizer: ...

    def token_nats(self, pieces: Iterable[str]) -> Iterator[Scored]:
        """ln P of every token of a text in order, with marks of words outside the vocabulary."""


class RunMember:
    """A trained run; it reads running text, carrying its state over from line to line."""

    def __init__(self, name: str, lm: LanguageModel, batch_size: int = 16) -> None:
        self.name, self.lm, self.tokenizer = name, lm, lm.tokenizer
        self._batch_size = batch_size

    def token_nats(self, pieces: Iterable[str]) -> Iterator[Scored]:
        return token_nats(self.lm.model, self.lm.chunks(pieces), self.tokenizer.eos_id, self._batch_size)


class ArpaMember:
    """The n-gram model of an ARPA file; every line is read separately."""

    def __init__(self, name: str, lm: WordNGram) -> None:
        self.name, self.lm, self.tokenizer = name, lm, lm.tokenizer

    def token_nats(self, pieces: Iterable[str]) -> Iterator[Scored]:
        return self.lm.token_nats(pieces)


def open_member(path: Path, batch_size: int = 16) -> RunMember | ArpaMember:
    """The model at `path`, a run folder or an ARPA file; raises MissingFileError if it is neither."""
    if path.is_dir():
        return RunMember(str(path), load(path), batch_size)
    if path.exists():
        return ArpaMember(str(path), load_arpa(path))
    siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    raise MissingFileError(f"there is no run folder or ARPA file {path}{nearest(path.name, siblings)}")


def check_same_tokens(members: Sequence[Member]) -> None:
    """Raise InputError unless all models split a text into the same tokens; their vocabularies may differ."""
    first, *others = members
    for other in others:
        kinds = first.tokenizer.kind, other.tokenizer.kind
        if kinds[0] != kinds[1]:
            raise InputError(
                f"{first.name} predicts tokens of the kind {kinds[0]} and {other.name} of the kind {kinds[1]}: only "
                "models of the same tokens can be mixed"
            )
        if first.tokenizer.unit == "subword" and first.tokenizer.tokens != other.tokenizer.tokens:
            raise InputError(f"{first.name} and {other.name} cut words into different pieces, so they cannot be mixed")


def check_case(members: Sequence[Member], pieces: Iterable[str]) -> Iterator[str]:
    """The same pieces; raises InputError for a piece with capital letters if only some models lower-case the text."""
    lower = [member.name for member in members if member.tokenizer.lowercase]
    if len(lower) in (0, len(members)):
        yield from pieces
        return
    for piece in pieces:
        if piece != piece.lower():
            word = next(word for word in piece.split() if word != word.lower())
            raise InputError(
                f"the text has capital letters ({word!r}), which {lower[0]} reads as small ones and the others do not: "
                "they would predict different words; lower-case the text first"
            )
        yield piece

"""The models of a mixture, from run folders and ARPA files, and checks that they predict the same tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from weft.errors import InputError
from weft.evaluation.evaluate import Scored, token_nats
from weft.language_model import LanguageModel, load
from weft.text.paths import missing
from weft.text.rules import AT_SEPARATORS, AT_WHITE_SPACE
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
    raise missing(path, "run folder or ARPA file")


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


def common_marker(members: Sequence[Member]) -> str:
    """The word that ends lines for all runs among `members`; raises InputError if they differ."""
    markers = {
        member.lm.config.text.line_end_marker: member.name for member in members if isinstance(member, RunMember)
    }
    if len(markers) > 1:
        (one, first), (other, second), *_ = markers.items()
        raise InputError(
            f"{first} was trained with the line-end marker {one!r} and {second} with {other!r}, so they read other "
            "lines: give the one of this text with --line-end-marker"
        )
    return next(iter(markers), "")


def check_pieces(members: Sequence[Member], pieces: Iterable[str]) -> Iterator[str]:
    """The same pieces; raises InputError for a piece that the models split into different words, see `_check_words`
    and `_check_case`."""
    return _check_words(members, _check_case(members, pieces))


def _check_words(members: Sequence[Member], pieces: Iterable[str]) -> Iterator[str]:
    """The same pieces; raises InputError for a word that only some models cut, at white space other than blanks."""
    rules = {member.tokenizer.words: member.name for member in members if not member.tokenizer.splits_words}
    if len(rules) < 2:
        yield from pieces
        return
    for piece in pieces:
        cut, whole = AT_WHITE_SPACE.words(piece), AT_SEPARATORS.words(piece)
        if cut != whole:
            word = next(word for word in whole if AT_WHITE_SPACE.words(word) != [word])
            raise InputError(
                f"the text has the word {word!r}, which {rules[AT_WHITE_SPACE]} cuts at white space and "
                f"{rules[AT_SEPARATORS]} does not: replace that white space by blanks, or train the older run again"
            )
        yield piece


def _check_case(members: Sequence[Member], pieces: Iterable[str]) -> Iterator[str]:
    """The same pieces; raises InputError for a piece with capital letters if only some models lower-case the text."""
    lower = [member.name for member in members if member.tokenizer.lowercase]
    if len(lower) in (0, len(members)):
        yield from pieces
        return
    for piece in pieces:
        if piece != piece.lower():
            word = next(word for word in AT_SEPARATORS.words(piece) if word != word.lower())
            raise InputError(
                f"the text has capital letters ({word!r}), which {lower[0]} reads as small ones and the others do not: "
                "they would predict different words; lower-case the text first"
            )
        yield piece

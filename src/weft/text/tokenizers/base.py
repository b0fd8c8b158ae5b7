"""What every tokenizer does: text to token ids and back, with the counts of the training text.

A tokenizer is fitted to training text once and never changes. Every line end ("\\n") is one `<eos>` token. It is kept
as one readable `tokenizer.json`.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from weft.errors import CheckpointError, InputError, MissingFileError, nearest
from weft.files import write_text_atomically
from weft.text.decoding import batches_of
from weft.text.tokenizers.encoded import Encoded

UNK = "<unk>"
EOS = "<eos>"
FORMAT = 1


class Decoder(Protocol):
    """Turns ids into text one at a time, as they are generated."""

    def push(self, id: int, /) -> str:
        """The text that token `id` adds; what is not a whole character yet is withheld."""

    def flush(self) -> str:
        """What is still withheld, with U+FFFD for the incomplete character."""


class Tokenizer(ABC):
    """Base of the tokenizers.

    tokens     surface form of every id, for display: `tokens[id]`
    counts     occurrences of every id in the training text
    eos_id     the token of a line end
    unk_id     the token of what is not in the vocabulary; None where nothing can be missing
    lowercase  whether text is lower-cased first
    """

    kind: ClassVar[str]
    unk_id: int | None
    eos_id: int

    def __init__(self, tokens: Sequence[str], counts: Sequence[int], *, lowercase: bool) -> None:
        self.tokens = list(tokens)
        self.counts = list(counts)
        self.lowercase = lowercase
        self._ids = {token: id for id, token in enumerate(self.tokens)}

    @property
    def vocab_size(self) -> int:
        """Number V of token types, the special ones included."""
        return len(self.tokens)

    def token(self, id: int) -> str:
        """The surface form of `id`. Raises InputError when there is no such token."""
        if not 0 <= id < self.vocab_size:
            raise InputError(f"token id {id} is not in the vocabulary (0 to {self.vocab_size - 1})")
        return self.tokens[id]

    def id(self, token: str) -> int | None:
        """The id whose surface form is exactly `token`, or None."""
        return self._ids.get(token)

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`: one `<eos>` for every "\\n" in it, and none added at the end."""
        first, *others = self._normalised(text).split("\n")
        ids = self._encode_line(first)
        for line in others:
            ids.append(self.eos_id)
            ids.extend(self._encode_line(line))
        return ids

    def encode_with_oov(self, text: str) -> tuple[list[int], list[bool]]:
        """`encode(text)`, and for every token whether it is out of vocabulary."""
        ids = self.encode(text)
        return ids, [False] * len(ids)

    @abstractmethod
    def encode_line_with_spans(self, line: str, /) -> Encoded:
        """`encode_with_oov(line)` of a line without "\\n", and where in it each token stands."""

    def encode_many(self, pieces: Sequence[str]) -> NDArray[np.int32]:
        """The ids of all pieces in one array; the same as encoding them one after the other, but faster."""
        ids: list[int] = []
        for piece in pieces:
            ids += self.encode(piece)
        return np.array(ids, dtype=np.int32)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`; every `<eos>` is a "\\n"."""
        decoder = self.decoder()
        return "".join(decoder.push(id) for id in ids) + decoder.flush()

    @abstractmethod
    def decoder(self) -> Decoder:
        """A new decoder at the start of a line. To go on from a prompt, push its ids first."""

    def save(self, path: Path | str) -> None:
        """Write `tokenizer.json`, replacing what is there in one step."""
        settings = {"format": FORMAT, "kind": self.kind, "lowercase": self.lowercase, **self._settings()}
        lines = [f"{_json(key)}: {_json(value)},\n" for key, value in settings.items()]
        rows = ",\n".join(_json(row) for row in zip(self.tokens, self.counts, strict=True))
        write_text_atomically(Path(path), "{\n" + "".join(lines) + f'"tokens": [\n{rows}\n]\n}}\n')

    def _normalised(self, text: str) -> str:
        return text.lower() if self.lowercase else text

    @abstractmethod
    def _encode_line(self, line: str) -> list[int]: ...

    def _settings(self) -> dict[str, Any]:
        """What this kind needs beside the tokens to be loaded again."""
        return {}

    @classmethod
    @abstractmethod
    def _from_saved(
        cls, tokens: list[str], counts: list[int], lowercase: bool, settings: Mapping[str, Any]
    ) -> Tokenizer:
        """The tokenizer that was saved. Raises KeyError, TypeError or ValueError when the settings make none."""


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def encode_pieces(tokenizer: Tokenizer, pieces: Iterable[str]) -> Iterator[NDArray[np.int32]]:
    """Token ids of a text of any length, as non-empty arrays that follow one another."""
    for batch in batches_of(pieces):
        ids = tokenizer.encode_many(batch)
        if ids.size:
            yield ids


def fit_tokenizer(
    kind: str, pieces: Iterable[str], *, lowercase: bool = False, vocab_size: int | None = None, min_count: int = 1
) -> Tokenizer:
    """The tokenizer of `kind` ("word", "char" or "bpe") for a training text, read once, in constant memory.

    vocab_size  most token types to keep, the special ones included; None: no limit (bpe: up to 8,000, by the text's
                size)
    min_count   types seen less often become `<unk>`; for bpe, pairs seen less often are not merged

    Raises InputError when the text holds no token, or vocab_size leaves room for the special tokens only.
    """
    if min_count < 1:
        raise InputError(f"min_count must be at least 1, got {min_count}")
    if kind == "word":
        from weft.text.tokenizers.word import fit_words

        return fit_words(pieces, lowercase=lowercase, vocab_size=vocab_size, min_count=min_count)
    if kind == "char":
        from weft.text.tokenizers.char import fit_characters

        return fit_characters(pieces, lowercase=lowercase, vocab_size=vocab_size, min_count=min_count)
    if kind == "bpe":
        from weft.text.tokenizers.bpe import fit_bpe

        return fit_bpe(pieces, lowercase=lowercase, vocab_size=vocab_size, min_count=min_count)
    raise InputError(_unknown(kind))


def load_tokenizer(path: Path | str) -> Tokenizer:
    """The tokenizer that `Tokenizer.save` wrote.

    Raises MissingFileError when there is none, CheckpointError when it is damaged or from a newer version of weft, and
    InputError when it is of kind bpe and the package `tokenizers` is not installed.
    """
    try:
        saved = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingFileError(f"there is no tokenizer at {path}") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged: not JSON in UTF-8 ({error})") from None
    if not isinstance(saved, dict) or not isinstance(saved.get("format"), int):
        raise CheckpointError(f"{path} is not a tokenizer of weft: it states no format")
    if saved["format"] > FORMAT:
        raise CheckpointError(
            f"{path} has format {saved['format']}, but this weft knows formats up to {FORMAT}: upgrade weft"
        )
    try:
        return _tokenizer_from(saved)
    except InputError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        reason = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else error
        raise CheckpointError(f"{path} is damaged: {reason}") from None


def _tokenizer_from(saved: dict[str, Any]) -> Tokenizer:
    rows, lowercase = saved["tokens"], saved["lowercase"]
    if not isinstance(lowercase, bool):
        raise TypeError("'lowercase' is neither true nor false")
    tokens: list[str] = []
    counts: list[int] = []
    for row in rows:
        match row:
            case [str(token), int(count)] if count >= 0:
                tokens.append(token)
                counts.append(count)
            case _:
                raise ValueError(f"{row!r} is not a token and its count")
    return _class_of(saved["kind"])._from_saved(tokens, counts, lowercase, saved)


def _class_of(kind: object) -> type[Tokenizer]:
    if kind == "word":
        from weft.text.tokenizers.word import WordTokenizer

        return WordTokenizer
    if kind == "char":
        from weft.text.tokenizers.char import CharTokenizer

        return CharTokenizer
    if kind == "bpe":
        from weft.text.tokenizers.bpe import BpeTokenizer

        return BpeTokenizer
    raise ValueError(_unknown(kind))


def _unknown(kind: object) -> str:
    kinds = ("word", "char", "bpe")
    return f"the tokenizer must be one of {', '.join(kinds)}, got {kind!r}{nearest(str(kind), kinds)}"

"""The interface of every tokenizer: text to token ids and back, and the count of every token in the training text.

A tokenizer is fitted to a training text once and does not change afterwards. Every line end ("\\n") is one `<eos>`
token. A tokenizer is saved as a readable file, `tokenizer.json`. A new kind of tokenizer is one new file, with a
subclass of `Tokenizer` that it registers (see `registry`), and one line in `weft/text/tokenizers/__init__.py`.
"""

from __future__ import annotations

import importlib.util
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from weft.errors import InputError
from weft.files import write_text_atomically
from weft.files.digests import PLACE, with_digest
from weft.text.decoding import batches_of
from weft.text.rules import AT_SEPARATORS
from weft.text.tokenizers.encoded import Encoded

UNK = "<unk>"
EOS = "<eos>"
FORMAT = 1
"""Version of `tokenizer.json`."""

Unit = Literal["word", "character", "subword"]
"""What one token is: a word (see `weft.text.rules`), one Unicode code point, or a part of a word that depends on the
training text."""


class Extra(NamedTuple):
    """An extra of weft, installed by `pip install 'weft[NAME]'`, and the package that it installs."""

    name: str
    package: str


class Decoder(Protocol):
    """Turns token ids into text, one id at a time."""

    def push(self, id: int, /) -> str:
        """The text that token `id` adds. Bytes of an incomplete character are held back. Raises InputError for an id
        outside the vocabulary."""

    def flush(self) -> str:
        """The text of the bytes that are still held back: U+FFFD for an incomplete character."""


class Tokenizer(ABC):
    """Base class of the tokenizers.

    kind       name of the tokenizer in settings and in `tokenizer.json`
    unit       what one token is
    extra      the extra of weft that the tokenizer needs; None: it needs none
    separates_punctuation  whether a word of written text, such as "end.", is several tokens of the unit "word"
    unk_id     id of `<unk>`, the token of everything outside the vocabulary; None: nothing is outside it
    eos_id     id of `<eos>`, the token of a line end
    tokens     display form of every token: `tokens[id]`
    counts     occurrences of every token in the training text: `counts[id]`
    lowercase  whether text is lower-cased before it is split
    words      the rule by which the words of a text end
    """

    kind: ClassVar[str]
    unit: ClassVar[Unit]
    extra: ClassVar[Extra | None] = None
    separates_punctuation: ClassVar[bool] = False
    unk_id: int | None
    eos_id: int

    def __init__(self, tokens: Sequence[str], counts: Sequence[int], *, lowercase: bool) -> None:
        self.words = AT_SEPARATORS
        self.tokens = list(tokens)
        self.counts = list(counts)
        self.lowercase = lowercase
        self._ids = {token: id for id, token in enumerate(self.tokens)}

    @classmethod
    @abstractmethod
    def fit(cls, pieces: Iterable[str], *, lowercase: bool, vocab_size: int | None, min_count: int) -> Tokenizer:
        """The tokenizer of a training text, which is read once; arguments and errors as for `fit_tokenizer`."""

    @classmethod
    def check_installed(cls) -> None:
        """Raise InputError if the package of `extra` is not installed."""
        if cls.extra is not None and importlib.util.find_spec(cls.extra.package) is None:
            raise InputError(
                f"the {cls.kind} tokenizer needs the package {cls.extra.package!r}, which is not installed: "
                f"pip install 'weft[{cls.extra.name}]'"
            )

    @property
    def splits_words(self) -> bool:
        """Whether a word can be several tokens."""
        return self.unit != "word"

    @property
    def vocab_size(self) -> int:
        """Number V of token types, the special ones included."""
        return len(self.tokens)

    def token(self, id: int) -> str:
        """The display form of token `id`. Raises InputError for an id outside the vocabulary."""
        if not 0 <= id < self.vocab_size:
            raise InputError(f"token id {id} is not in the vocabulary (0 to {self.vocab_size - 1})")
        return self.tokens[id]

    def id(self, token: str) -> int | None:
        """The id of the token whose display form is exactly `token`, or None."""
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
        """`encode_with_oov(line)` of a line without "\\n", and the span of `line` that each token covers."""

    def encode_many(self, pieces: Sequence[str]) -> NDArray[np.int32]:
        """Token ids of all pieces in one array: the ids of `encode` for each piece, concatenated, but faster."""
        ids: list[int] = []
        for piece in pieces:
            ids += self.encode(piece)
        return np.array(ids, dtype=np.int32)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`; every `<eos>` is a "\\n". Raises InputError for an id outside the vocabulary."""
        decoder = self.decoder()
        return "".join(decoder.push(id) for id in ids) + decoder.flush()

    @abstractmethod
    def decoder(self) -> Decoder:
        """A new decoder at the start of a line. To continue a prompt, push the ids of the prompt first."""

    def save(self, path: Path | str) -> None:
        """Write `tokenizer.json` to `path`, replacing an existing file atomically."""
        settings = {
            "digest": PLACE,
            "format": FORMAT,
            "kind": self.kind,
            "lowercase": self.lowercase,
            **self._settings(),
        }
        if self.words.separators is not None:
            settings["separators"] = self.words.separators
        lines = [f"{_json(key)}: {_json(value)},\n" for key, value in settings.items()]
        rows = ",\n".join(_json(row) for row in zip(self.tokens, self.counts, strict=True))
        write_text_atomically(Path(path), with_digest("{\n" + "".join(lines) + f'"tokens": [\n{rows}\n]\n}}\n'))

    def extended(self, tokens: Sequence[str], counts: Sequence[int]) -> Tokenizer:
        """A tokenizer of the same kind whose vocabulary has `tokens` after its own; all its ids stay the same.

        Raises ValueError for tokens that it has already, or that this kind cannot have.
        """
        other = self.from_saved([*self.tokens, *tokens], [*self.counts, *counts], self.lowercase, self._settings())
        other.words = self.words
        return other

    @classmethod
    @abstractmethod
    def from_saved(
        cls, tokens: list[str], counts: list[int], lowercase: bool, settings: Mapping[str, Any]
    ) -> Tokenizer:
        """The tokenizer that `save` wrote; `settings`: all of `tokenizer.json`.

        Raises KeyError, TypeError or ValueError if the values are incomplete or inconsistent.
        """

    def _settings(self) -> dict[str, Any]:
        """Values, besides tokens and counts, that `from_saved` needs."""
        return {}

    def _normalised(self, text: str) -> str:
        return text.lower() if self.lowercase else text

    @abstractmethod
    def _encode_line(self, line: str) -> list[int]: ...


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def encode_pieces(tokenizer: Tokenizer, pieces: Iterable[str]) -> Iterator[NDArray[np.int32]]:
    """Token ids of a text of any length, as consecutive non-empty arrays; memory does not grow with the text."""
    for batch in batches_of(pieces):
        ids = tokenizer.encode_many(batch)
        if ids.size:
            yield ids

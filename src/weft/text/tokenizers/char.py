"""Characters: every Unicode code point is a token. Ids 0 and 1 are `<unk>` and `<eos>`, then by descending count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.errors import InputError
from weft.text.decoding import batches_of
from weft.text.tokenizers.base import EOS, UNK, Tokenizer
from weft.text.tokenizers.encoded import Encoded, original_spans
from weft.text.tokenizers.word import check_room, check_vocabulary, most_frequent

CODE_POINTS = 0x110000


class CharTokenizer(Tokenizer):
    """One token a character; the line end is `<eos>`, a character not in the vocabulary `<unk>`."""

    kind = "char"
    unk_id: int = 0
    eos_id: int = 1

    def encode_with_oov(self, text: str) -> tuple[list[int], list[bool]]:
        ids = self.encode(text)
        return ids, [id == self.unk_id for id in ids]

    def encode_line_with_spans(self, line: str, /) -> Encoded:
        ids, oov = self.encode_with_oov(line)
        spans = [(index, index + 1) for index in range(len(ids))]
        return Encoded(ids, oov, original_spans(line, self._normalised(line), spans))

    def encode_many(self, pieces: Sequence[str]) -> NDArray[np.int32]:
        # Lower-casing looks at neighbouring letters, so each piece is lower-cased by itself, as `encode` does.
        return self._id_of_code_point[_code_points("".join(map(self._normalised, pieces)))]

    def decoder(self) -> CharDecoder:
        return CharDecoder(self)

    def _encode_line(self, line: str) -> list[int]:
        return list(map(self._ids.get, line, repeat(self.unk_id)))

    @cached_property
    def _id_of_code_point(self) -> NDArray[np.int32]:
        table = np.full(CODE_POINTS, self.unk_id, dtype=np.int32)
        table[ord("\n")] = self.eos_id
        for id, character in enumerate(self.tokens[2:], start=2):
            table[ord(character)] = id
        return table

    @classmethod
    def _from_saved(
        cls, tokens: list[str], counts: list[int], lowercase: bool, settings: Mapping[str, Any]
    ) -> CharTokenizer:
        check_vocabulary(tokens)
        for token in tokens[2:]:
            if len(token) != 1:
                raise ValueError(f"{token!r} is not one character")
        return cls(tokens, counts, lowercase=lowercase)


class CharDecoder:
    """Gives every character at once."""

    def __init__(self, tokenizer: CharTokenizer) -> None:
        self._tokenizer = tokenizer

    def push(self, id: int, /) -> str:
        return "\n" if id == self._tokenizer.eos_id else self._tokenizer.token(id)

    def flush(self) -> str:
        return ""


def fit_characters(pieces: Iterable[str], *, lowercase: bool, vocab_size: int | None, min_count: int) -> CharTokenizer:
    """The character tokenizer of a training text; see `fit_tokenizer`."""
    check_room(vocab_size)
    counts = np.zeros(CODE_POINTS, dtype=np.int64)
    for batch in batches_of(piece.lower() if lowercase else piece for piece in pieces):
        found = np.bincount(_code_points("".join(batch)))
        counts[: found.size] += found
    lines = int(counts[ord("\n")])
    counts[ord("\n")] = 0
    if not counts.any():
        raise InputError("the training text has no characters: it is empty")
    seen = {chr(code): int(counts[code]) for code in np.flatnonzero(counts)}
    kept = most_frequent(seen, vocab_size, min_count)
    unknown = sum(seen.values()) - sum(count for _, count in kept)
    tokens = [UNK, EOS, *(character for character, _ in kept)]
    return CharTokenizer(tokens, [unknown, lines, *(count for _, count in kept)], lowercase=lowercase)


def _code_points(text: str) -> NDArray[np.uint32]:
    # Lone surrogates cannot come from UTF-8, but from a command line that is not; they are unknown characters.
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")

"""The character tokenizer: every Unicode code point is a token. Ids 0 and 1 are `<unk>` and `<eos>`, then code points
by descending count."""

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
from weft.text.tokenizers.registry import register_tokenizer
from weft.text.tokenizers.vocabulary import check_vocab_size, check_vocabulary, most_frequent

CODE_POINTS = 0x110000


@register_tokenizer
class CharTokenizer(Tokenizer):
    """One token a character. A line end is `<eos>`, and a character outside the vocabulary is `<unk>`."""

    kind = "char"
    unit = "character"
    unk_id: int = 0
    eos_id: int = 1

    @classmethod
    def fit(cls, pieces: Iterable[str], *, lowercase: bool, vocab_size: int | None, min_count: int) -> CharTokenizer:
        """The character tokenizer of a training text; see `fit_tokenizer`."""
        check_vocab_size(vocab_size)
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
        return cls(tokens, [unknown, lines, *(count for _, count in kept)], lowercase=lowercase)

    def encode_with_oov(self, text: str) -> tuple[list[int], list[bool]]:
        ids = self.encode(text)
        return ids, [id == self.unk_id for id in ids]

    def encode_line_with_spans(self, line: str, /) -> Encoded:
        ids, oov = self.encode_with_oov(line)
        spans = [(index, index + 1) for index in range(len(ids))]
        return Encoded(ids, oov, original_spans(line, self._normalised(line), spans))

    def encode_many(self, pieces: Sequence[str]) -> NDArray[np.int32]:
        # Lower-casing depends on neighbouring letters, so each piece is lower-cased separately, as in `encode`.
        return self._id_of_code_point[_code_points("".join(map(self._normalised, pieces)))]

    def decoder(self) -> CharDecoder:
        return CharDecoder(self)

    @classmethod
    def from_saved(
        cls, tokens: list[str], counts: list[int], lowercase: bool, settings: Mapping[str, Any]
    ) -> CharTokenizer:
        check_vocabulary(tokens)
        for token in tokens[2:]:
            if len(token) != 1:
                raise ValueError(f"{token!r} is not one character")
        return cls(tokens, counts, lowercase=lowercase)

    def _encode_line(self, line: str) -> list[int]:
        return list(map(self._ids.get, line, repeat(self.unk_id)))

    @cached_property
    def _id_of_code_point(self) -> NDArray[np.int32]:
        """Token id of every code point, shape (CODE_POINTS,)."""
        table = np.full(CODE_POINTS, self.unk_id, dtype=np.int32)
        table[ord("\n")] = self.eos_id
        for id, character in enumerate(self.tokens[2:], start=2):
            table[ord(character)] = id
        return table


class CharDecoder:
    """Returns every character immediately."""

    def __init__(self, tokenizer: CharTokenizer) -> None:
        self._tokenizer = tokenizer

    def push(self, id: int, /) -> str:
        return "\n" if id == self._tokenizer.eos_id else self._tokenizer.token(id)

    def flush(self) -> str:
        return ""


def _code_points(text: str) -> NDArray[np.uint32]:
    # UTF-8 files contain no lone surrogates, but a command line in another encoding can; they become `<unk>`.
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")

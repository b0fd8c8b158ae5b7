"""The byte-pair tokenizer (Sennrich et al. 2016), byte level: frequent sequences of UTF-8 bytes are tokens.

Each of the 256 bytes is a token, so nothing is out of vocabulary. The package `tokenizers` (the extra `bpe`), imported
late, trains and encodes. Its ids come first. `<eos>` is the last id and unknown to the package, so that a literal
"<eos>" in a text is encoded as five characters.
"""

from __future__ import annotations

import codecs
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from weft.errors import InputError
from weft.text.rules import check_word_lengths
from weft.text.tokenizers.base import EOS, Extra, Tokenizer, encode_pieces
from weft.text.tokenizers.encoded import Encoded, original_spans
from weft.text.tokenizers.registry import register_tokenizer

if TYPE_CHECKING:
    import tokenizers

DEFAULT_VOCAB_SIZE = 8000
CHARACTERS_PER_TYPE = 100
"""Without a vocabulary size, the text gets one merged token for this many characters, up to DEFAULT_VOCAB_SIZE."""

BYTES = 256
SMALLEST_VOCAB_SIZE = BYTES + 1


@register_tokenizer
class BpeTokenizer(Tokenizer):
    """Tokens are byte sequences within words, a leading space included; `tokens` shows invalid UTF-8 bytes as \\xNN.

    pairs   the trained `tokenizers.Tokenizer`
    counts  occurrences of every token in the training text, `<eos>` last
    """

    kind = "bpe"
    unit = "subword"
    extra = Extra("bpe", "tokenizers")
    unk_id: None = None

    def __init__(self, pairs: tokenizers.Tokenizer, counts: list[int] | None = None, *, lowercase: bool) -> None:
        self._pairs = pairs
        self._bytes = _bytes_of_ids(pairs)
        self.eos_id = len(self._bytes)
        tokens = [*(piece.decode("utf-8", "backslashreplace") for piece in self._bytes), EOS]
        super().__init__(tokens, [0] * len(tokens) if counts is None else counts, lowercase=lowercase)

    @classmethod
    def fit(cls, pieces: Iterable[str], *, lowercase: bool, vocab_size: int | None, min_count: int) -> BpeTokenizer:
        """The byte-pair encoding of a training text; see `fit_tokenizer`.

        Training and counting are two passes, so the text is kept in a temporary file between them. A pair is merged
        only if it is seen at least `min_count` times, and at least twice.
        """
        if vocab_size is not None and vocab_size < SMALLEST_VOCAB_SIZE:
            raise InputError(
                f"vocab_size must be at least {SMALLEST_VOCAB_SIZE} for bpe (all bytes and {EOS}), got {vocab_size}"
            )
        with tempfile.TemporaryFile() as file:
            characters = _write_pieces(pieces, file, lowercase)
            if characters == 0:
                raise InputError("the training text has no characters: it is empty")
            if vocab_size is None:
                vocab_size = min(DEFAULT_VOCAB_SIZE, SMALLEST_VOCAB_SIZE + characters // CHARACTERS_PER_TYPE)
            pairs = _trained(_read_pieces(file), vocab_size - 1, min_count)
            counter = cls(pairs, lowercase=False)  # the text in the file is lower-cased already
            counts = np.zeros(counter.vocab_size, dtype=np.int64)
            for ids in encode_pieces(counter, _read_pieces(file)):
                counts += np.bincount(ids, minlength=counts.size)
        return cls(pairs, counts.tolist(), lowercase=lowercase)

    def decoder(self) -> BpeDecoder:
        return BpeDecoder(self)

    def bytes_of(self, id: int) -> bytes:
        """The UTF-8 bytes of token `id`. Raises InputError for an id outside the vocabulary."""
        self.token(id)
        return b"\n" if id == self.eos_id else self._bytes[id]

    def encode_line_with_spans(self, line: str, /) -> Encoded:
        normalised = self._normalised(line)
        pairs = self._encoding(normalised)
        return Encoded(pairs.ids, [False] * len(pairs.ids), original_spans(line, normalised, pairs.offsets))

    @classmethod
    def from_saved(
        cls, tokens: list[str], counts: list[int], lowercase: bool, settings: Mapping[str, Any]
    ) -> BpeTokenizer:
        import tokenizers

        saved = json.dumps(settings["pairs"])
        try:
            pairs = tokenizers.Tokenizer.from_str(saved)
        except Exception as error:  # the package raises bare Exception
            raise ValueError(f"'pairs' is no byte-pair encoding ({error})") from None
        tokenizer = cls(pairs, counts, lowercase=lowercase)
        if tokenizer.tokens != tokens:
            raise ValueError("'tokens' and 'pairs' do not agree")
        return tokenizer

    def _encode_line(self, line: str) -> list[int]:
        ids: list[int] = self._encoding(line).ids
        return ids

    def _encoding(self, line: str) -> tokenizers.Encoding:
        check_word_lengths(line, self.words)
        try:
            return self._pairs.encode(line)
        except TypeError:  # the package raises it for a lone surrogate
            raise InputError(f"{line[:40]!r} holds characters that cannot be written in UTF-8") from None

    def _settings(self) -> dict[str, Any]:
        return {"pairs": json.loads(self._pairs.to_str())}


class BpeDecoder:
    """Holds back the bytes of a character until the character is complete."""

    def __init__(self, tokenizer: BpeTokenizer) -> None:
        self._tokenizer = tokenizer
        self._characters = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, id: int, /) -> str:
        return self._characters.decode(self._tokenizer.bytes_of(id))

    def flush(self) -> str:
        return self._characters.decode(b"", final=True)


def _trained(pieces: Iterable[str], vocab_size: int, min_count: int) -> tokenizers.Tokenizer:
    """The byte-pair encoding of `pieces` with `vocab_size` tokens, without `<eos>`."""
    import tokenizers

    pairs = tokenizers.Tokenizer(tokenizers.models.BPE())
    pairs.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=max(2, min_count),
        initial_alphabet=sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    pairs.train_from_iterator((piece.removesuffix("\n") for piece in pieces), trainer)
    return pairs


def _write_pieces(pieces: Iterable[str], file: BinaryIO, lowercase: bool) -> int:
    """Write every piece after its length in bytes. Returns the number of characters, line ends not counted."""
    characters = 0
    for piece in pieces:
        check_word_lengths(piece)
        text = piece.lower() if lowercase else piece
        characters += len(text) - text.count("\n")
        data = text.encode("utf-8")
        file.write(b"%d\n" % len(data) + data)
    return characters


def _read_pieces(file: BinaryIO) -> Iterator[str]:
    """The pieces that `_write_pieces` wrote."""
    file.seek(0)
    while length := file.readline():
        yield file.read(int(length)).decode("utf-8")


def _bytes_of_ids(pairs: tokenizers.Tokenizer) -> list[bytes]:
    byte_of = _byte_of_symbol()
    ids: dict[int, str] = {id: token for token, id in pairs.get_vocab().items()}
    if sorted(ids) != list(range(len(ids))):
        raise ValueError("the ids of 'pairs' have gaps")
    return [bytes(byte_of[symbol] for symbol in ids[id]) for id in range(len(ids))]


def _byte_of_symbol() -> dict[str, int]:
    """The byte of every symbol: byte-level encodings write a printable byte as itself, and the other bytes as the code
    points from 256 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(BYTES) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(BYTES + n): byte for n, byte in enumerate(others)}

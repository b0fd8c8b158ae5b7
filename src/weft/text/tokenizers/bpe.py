"""Byte-level byte-pair encoding (Sennrich et al. 2016): frequent sequences of UTF-8 bytes are tokens.

The 256 bytes are tokens themselves, so nothing is out of vocabulary. Training and encoding are done by the package
`tokenizers` (the extra `bpe`). Its ids come first; `<eos>` is the last id, unknown to that package, so that a literal
"<eos>" in a text stays the five characters it is.
"""

from __future__ import annotations

import codecs
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from weft.errors import InputError
from weft.text.tokenizers.base import EOS, Tokenizer, encode_pieces
from weft.text.tokenizers.encoded import Encoded, original_spans

if TYPE_CHECKING:
    import tokenizers

DEFAULT_VOCAB_SIZE = 8000
CHARACTERS_PER_TYPE = 100
BYTES = 256


class BpeTokenizer(Tokenizer):
    """Tokens are pieces of words, a leading space included; `tokens` shows bytes that are no characters as \\xNN.

    pairs   the trained `tokenizers.Tokenizer`
    counts  occurrences of every id in the training text, `<eos>` last
    """

    kind = "bpe"
    unk_id: None = None

    def __init__(self, pairs: tokenizers.Tokenizer, counts: list[int] | None = None, *, lowercase: bool) -> None:
        self._pairs = pairs
        self._bytes = _bytes_of_ids(pairs)
        self.eos_id = len(self._bytes)
        tokens = [*(piece.decode("utf-8", "backslashreplace") for piece in self._bytes), EOS]
        super().__init__(tokens, [0] * len(tokens) if counts is None else counts, lowercase=lowercase)

    def decoder(self) -> BpeDecoder:
        return BpeDecoder(self)

    def bytes_of(self, id: int) -> bytes:
        """The UTF-8 bytes that token `id` stands for. Raises InputError when there is no such token."""
        self.token(id)
        return b"\n" if id == self.eos_id else self._bytes[id]

    def encode_line_with_spans(self, line: str, /) -> Encoded:
        normalised = self._normalised(line)
        pairs = self._encoding(normalised)
        return Encoded(pairs.ids, [False] * len(pairs.ids), original_spans(line, normalised, pairs.offsets))

    def _encode_line(self, line: str) -> list[int]:
        ids: list[int] = self._encoding(line).ids
        return ids

    def _encoding(self, line: str) -> tokenizers.Encoding:
        try:
            return self._pairs.encode(line)
        except TypeError:  # what the package raises for a lone surrogate
            raise InputError(f"{line[:40]!r} holds characters that cannot be written in UTF-8") from None

    def _settings(self) -> dict[str, Any]:
        return {"pairs": json.loads(self._pairs.to_str())}

    @classmethod
    def _from_saved(
        cls, tokens: list[str], counts: list[int], lowercase: bool, settings: Mapping[str, Any]
    ) -> BpeTokenizer:
        package = _tokenizers_package()
        saved = json.dumps(settings["pairs"])
        try:
            pairs = package.Tokenizer.from_str(saved)
        except Exception as error:  # the package raises bare Exception
            raise ValueError(f"'pairs' is no byte-pair encoding ({error})") from None
        tokenizer = cls(pairs, counts, lowercase=lowercase)
        if tokenizer.tokens != tokens:
            raise ValueError("'tokens' and 'pairs' do not agree")
        return tokenizer


class BpeDecoder:
    """Withholds the bytes of a character until all of them are there."""

    def __init__(self, tokenizer: BpeTokenizer) -> None:
        self._tokenizer = tokenizer
        self._characters = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, id: int, /) -> str:
        return self._characters.decode(self._tokenizer.bytes_of(id))

    def flush(self) -> str:
        return self._characters.decode(b"", final=True)


def fit_bpe(pieces: Iterable[str], *, lowercase: bool, vocab_size: int | None, min_count: int) -> BpeTokenizer:
    """The byte-pair encoding of a training text; see `fit_tokenizer`.

    Training and counting are two passes, so the text is kept in a temporary file in between. A pair is merged only when
    seen at least `min_count` times, and at least twice.
    """
    smallest = BYTES + 1
    if vocab_size is not None and vocab_size < smallest:
        raise InputError(f"vocab_size must be at least {smallest} for bpe (all bytes and {EOS}), got {vocab_size}")
    package = _tokenizers_package()
    with tempfile.TemporaryFile() as kept:
        characters = _keep(pieces, kept, lowercase)
        if characters == 0:
            raise InputError("the training text has no characters: it is empty")
        if vocab_size is None:
            vocab_size = min(DEFAULT_VOCAB_SIZE, smallest + characters // CHARACTERS_PER_TYPE)
        pairs = package.Tokenizer(package.models.BPE())
        pairs.pre_tokenizer = package.pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = package.trainers.BpeTrainer(
            vocab_size=vocab_size - 1,
            min_frequency=max(2, min_count),
            initial_alphabet=sorted(package.pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        pairs.train_from_iterator((piece.removesuffix("\n") for piece in _kept(kept)), trainer)
        # The text that is kept is lower-cased already.
        counter = BpeTokenizer(pairs, lowercase=False)
        counts = np.zeros(counter.vocab_size, dtype=np.int64)
        for ids in encode_pieces(counter, _kept(kept)):
            counts += np.bincount(ids, minlength=counts.size)
    return BpeTokenizer(pairs, counts.tolist(), lowercase=lowercase)


def _keep(pieces: Iterable[str], file: BinaryIO, lowercase: bool) -> int:
    characters = 0
    for piece in pieces:
        text = piece.lower() if lowercase else piece
        characters += len(text) - text.count("\n")
        data = text.encode("utf-8")
        file.write(b"%d\n" % len(data) + data)
    return characters


def _kept(file: BinaryIO) -> Iterator[str]:
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
    """Byte-level encodings write a printable byte as itself, and the others as the code points from 256 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(BYTES) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(BYTES + n): byte for n, byte in enumerate(others)}


def _tokenizers_package() -> Any:
    try:
        import tokenizers
    except ImportError:
        raise InputError(
            "the bpe tokenizer needs the package 'tokenizers', which is not installed: pip install 'weft[bpe]'"
        ) from None
    return tokenizers

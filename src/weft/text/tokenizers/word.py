"""The word tokenizer. Ids 0 and 1 are `<unk>` and `<eos>`, then the words of the training text by descending count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.errors import InputError, quoted
from weft.text.decoding import WORDS_IN_CACHE, batches_of
from weft.text.rules import AT_SEPARATORS, check_word_lengths
from weft.text.tokenizers.base import EOS, UNK, Tokenizer
from weft.text.tokenizers.encoded import Encoded
from weft.text.tokenizers.registry import register_tokenizer
from weft.text.tokenizers.vocabulary import check_vocab_size, check_vocabulary, most_frequent

MOST_TYPES_COUNTED = 2_000_000


@register_tokenizer
class WordTokenizer(Tokenizer):
    """One token a word. A literal `<unk>` or `<eos>` in a text is that token.

    unk_in_text  whether the training text contains a literal `<unk>`, as the Penn Treebank does: then `<unk>` is an
                 ordinary word and not out of vocabulary
    """

    kind = "word"
    unit = "word"
    unk_id: int = 0
    eos_id: int = 1

    def __init__(self, tokens: Sequence[str], counts: Sequence[int], *, lowercase: bool, unk_in_text: bool) -> None:
        super().__init__(tokens, counts, lowercase=lowercase)
        self.unk_in_text = unk_in_text

    @classmethod
    def fit(cls, pieces: Iterable[str], *, lowercase: bool, vocab_size: int | None, min_count: int) -> WordTokenizer:
        """The word tokenizer of a training text; see `fit_tokenizer`.

        In a text with more than MOST_TYPES_COUNTED types, the rarest types are dropped each time that number is
        exceeded. Their occurrences so far count as `<unk>`.
        """
        check_vocab_size(vocab_size)
        words, total, lines = _count_words(pieces, lowercase)
        if total == 0:
            raise InputError("the training text has no words: it is empty or only white space")
        unk_in_text = words.pop(UNK, 0) > 0
        literal_eos = words.pop(EOS, 0)
        kept = most_frequent(words, vocab_size, min_count)
        unknown = total - literal_eos - sum(count for _, count in kept)
        tokens = [UNK, EOS, *(word for word, _ in kept)]
        counts = [unknown, lines + literal_eos, *(count for _, count in kept)]
        return cls(tokens, counts, lowercase=lowercase, unk_in_text=unk_in_text)

    def with_words(self, words: Sequence[str]) -> WordTokenizer:
        """The tokenizer whose vocabulary is `<unk>`, `<eos>` and `words`, in this order.

        The counts are those of this tokenizer; its other words count as `<unk>`. Raises InputError if there are no
        words, and for a word that has capital letters, if the text is lower-cased.
        """
        words = [word for word in words if word not in (UNK, EOS)]
        if not words:
            raise InputError(f"the vocabulary has no words besides {UNK} and {EOS}")
        if self.lowercase and (capital := next((word for word in words if word != word.lower()), None)):
            raise InputError(f"the vocabulary has {quoted(capital)}, but the text is lower-cased: leave lowercase out")
        known = dict(zip(self.tokens[2:], self.counts[2:], strict=True))
        counts = [known.pop(word, 0) for word in words]
        unknown = self.counts[self.unk_id] + sum(known.values())
        other = WordTokenizer(
            [UNK, EOS, *words],
            [unknown, self.counts[self.eos_id], *counts],
            lowercase=self.lowercase,
            unk_in_text=self.unk_in_text,
        )
        other.words = self.words
        return other

    def encode(self, text: str) -> list[int]:
        return list(map(self._ids.get, self._units(text), repeat(self.unk_id)))

    def encode_with_oov(self, text: str) -> tuple[list[int], list[bool]]:
        units = self._units(text)
        ids = list(map(self._ids.get, units, repeat(self.unk_id)))
        if self.unk_in_text:
            return ids, [id == self.unk_id and unit != UNK for id, unit in zip(ids, units, strict=True)]
        return ids, [id == self.unk_id for id in ids]

    def encode_line_with_spans(self, line: str, /) -> Encoded:
        return Encoded(*self.encode_with_oov(line), self.words.spans(line))

    def encode_many(self, pieces: Sequence[str]) -> NDArray[np.int32]:
        ids: list[int] = []
        for batch in batches_of(pieces, WORDS_IN_CACHE):
            ids += map(self._ids.get, self._units(" ".join(batch)), repeat(self.unk_id))
        return np.array(ids, dtype=np.int32)

    def decoder(self) -> WordDecoder:
        return WordDecoder(self)

    @classmethod
    def from_saved(
        cls, tokens: list[str], counts: list[int], lowercase: bool, settings: Mapping[str, Any]
    ) -> WordTokenizer:
        unk_in_text = settings["unk_in_text"]
        if not isinstance(unk_in_text, bool):
            raise TypeError("'unk_in_text' is neither true nor false")
        check_vocabulary(tokens)
        return cls(tokens, counts, lowercase=lowercase, unk_in_text=unk_in_text)

    def _settings(self) -> dict[str, Any]:
        return {"unk_in_text": self.unk_in_text}

    def _encode_line(self, line: str) -> list[int]:
        return self.encode(line)

    def _units(self, text: str) -> list[str]:
        """The words of a text and an `<eos>` for every line end. Raises InputError as `check_word_lengths` does."""
        text = self._normalised(text)
        units = self.words.words(text.replace("\n", f" {EOS} "))
        check_word_lengths(text, self.words)
        return units


class WordDecoder:
    """Separates the words of a line by single spaces."""

    def __init__(self, tokenizer: WordTokenizer) -> None:
        self._tokenizer = tokenizer
        self._within_line = False

    def push(self, id: int, /) -> str:
        if id == self._tokenizer.eos_id:
            self._within_line = False
            return "\n"
        space = " " if self._within_line else ""
        self._within_line = True
        return space + self._tokenizer.token(id)

    def flush(self) -> str:
        return ""


def _count_words(pieces: Iterable[str], lowercase: bool) -> tuple[Counter[str], int, int]:
    """Occurrences of every word, the number of words, and the number of line ends."""
    words: Counter[str] = Counter()
    total = lines = rarest = 0
    for batch in batches_of(pieces, WORDS_IN_CACHE):
        text = " ".join(batch)
        found = AT_SEPARATORS.words(text.lower() if lowercase else text)
        check_word_lengths(text)
        words.update(found)
        total += len(found)
        lines += text.count("\n")
        while len(words) > MOST_TYPES_COUNTED:
            rarest += 1
            words = Counter({word: count for word, count in words.items() if count > rarest})
    return words, total, lines

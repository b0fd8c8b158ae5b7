"""Words from pieces: the probability of a word under a model of characters or of byte pairs.

A word ends where white space or the line end follows. That it ends there is part of the event, or "the" would get what
belongs to "then": with B the tokens that begin with white space, and the line end,

    P(word | before) = P(pieces | before) · P(B | before, pieces) / P(B | before)

where P(B | before) is left out at the beginning of a line, since there nothing is known to have ended. White space
before a word is among its pieces. So the probabilities of all words that can come next, the line end among them, sum
to 1, and their product over a line is the probability of its tokens: every P(B) is once above and once below the bar.

Oh & Schuler (2024), "Leading whitespaces of language models' subword vocabulary pose a confound for calculating word
probabilities"; Pimentel & Meister (2024), "How to compute the probability of a word".
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weft.text.tokenizers.base import Tokenizer


@dataclass(frozen=True)
class Segment:
    """The tokens `first` to `last - 1` of a line: a word with the white space before it, or a line end with it."""

    first: int
    last: int
    logprob_nats: float
    is_line_end: bool


class WordPieces:
    """Which tokens of a vocabulary begin with white space, and which consist of it.

    `boundary` (ids): B, the tokens before which a word ends. White space that the vocabulary has no token for (a
    character unknown to it, or one cut into bytes) does not end a word.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.eos_id = tokenizer.eos_id
        special = {tokenizer.eos_id, tokenizer.unk_id}
        self._begin = {self.eos_id}
        self._blank = set()
        for id, token in enumerate(tokenizer.tokens):
            if id not in special and token[:1].isspace():
                self._begin.add(id)
                if token.isspace():
                    self._blank.add(id)
        self.boundary: NDArray[np.int64] = np.array(sorted(self._begin))

    def segments(self, ids: Sequence[int], logprobs: Sequence[float], boundaries: Sequence[float]) -> Iterator[Segment]:
        """The words and line ends of a line of tokens that ends with a line end.

        `logprobs`: ln P of each token; `boundaries`: ln P(B) before each token; both in nats.
        """
        first, divisor, within_word = 0, 0.0, False
        for index, (id, boundary) in enumerate(zip(ids, boundaries, strict=True)):
            if within_word and id in self._begin:
                yield Segment(first, index, math.fsum(logprobs[first:index]) - divisor + boundary, False)
                first, divisor, within_word = index, boundary, False
            if id == self.eos_id:
                yield Segment(first, index + 1, math.fsum(logprobs[first : index + 1]) - divisor, True)
                first, divisor = index + 1, 0.0
            elif id not in self._blank:
                within_word = True


def word_pieces(tokenizer: Tokenizer) -> WordPieces | None:
    """How the tokens of `tokenizer` make words; None where they are words already."""
    return WordPieces(tokenizer) if tokenizer.splits_words else None

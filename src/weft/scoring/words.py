"""Words from tokens: the probability of a word under a model of characters or of byte pairs.

A word ends where white space or the line end follows; `weft.text.rules` says which characters that is. That the word
ends there is part of the event; otherwise the probability of "the" would include that of "then". With B the set of the
tokens that begin with white space and of the line end,

    P(word | before) = P(tokens of the word | before) · P(B | before, tokens of the word) / P(B | before)

P(B | before) is omitted at the beginning of a line, where no word has ended. White space before a word belongs to its
tokens. The probabilities of all possible next words and of the line end therefore sum to 1, and their product over a
line is the probability of its tokens: every P(B) occurs once as a factor and once as a divisor.

A line of Chinese, Japanese, Thai or another script without spaces has no such words: there each token is one, see
`has_no_spaces`.

Oh & Schuler (2024), "Leading whitespaces of language models' subword vocabulary pose a confound for calculating word
probabilities"; Pimentel & Meister (2024), "How to compute the probability of a word".
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weft.text.tokenizers.base import Tokenizer

_UNSPACED = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u0f00-\u109f\u1780-\u17ff"  # Tibetan, Burmese, Khmer
    "\u3005-\u3007\u3041-\u30ff\u31f0-\u31ff"  # kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
)
_CHARACTER = re.compile(f"[{_UNSPACED}]")
_SPACED = re.compile(f"[{_UNSPACED}][^\\S\n]+[{_UNSPACED}]")


def has_no_spaces(line: str) -> bool:
    """Whether a line is in a script that is written without spaces, and without spaces.

    Most of its characters are of such a script, and no two of them have white space alone between them. Of a text that
    was cut into words before, this is false.
    """
    letters = sum(map(len, line.split()))
    return 2 * len(_CHARACTER.findall(line)) > letters and _SPACED.search(line) is None


@dataclass(frozen=True)
class Segment:
    """The tokens `first` to `last - 1` of a line: a word or a line end, with the white space before it."""

    first: int
    last: int
    logprob_nats: float
    is_line_end: bool


class WordPieces:
    """The tokens of a vocabulary that begin with white space, and those that consist of white space.

    boundary: the ids of B, the tokens before which a word ends. White space without a token of its own (an unknown
    character, or a character of several bytes) does not end a word.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.eos_id = tokenizer.eos_id
        special = {tokenizer.eos_id, tokenizer.unk_id}
        self._begin = {self.eos_id}
        self._blank = set()
        for id, token in enumerate(tokenizer.tokens):
            if id not in special and tokenizer.words.separates(token[:1]):
                self._begin.add(id)
                if tokenizer.words.separates(token):
                    self._blank.add(id)
        self.boundary: NDArray[np.int64] = np.array(sorted(self._begin))

    def segments(self, ids: Sequence[int], logprobs: Sequence[float], boundaries: Sequence[float]) -> Iterator[Segment]:
        """The words and line ends of a line of tokens that ends with a line end.

        `logprobs`: ln P of each token; `boundaries`: ln P(B) before each token; both in nats.
        """
        first, divisor, within_word = 0, 0.0, False
        for index, (id, boundary) in enumerate(zip(ids, boundaries, strict=True)):
            if within_word and id in self._begin:
                yield Segment(first, index, _log_ratio([*logprobs[first:index], boundary], divisor), False)
                first, divisor, within_word = index, boundary, False
            if id == self.eos_id:
                yield Segment(first, index + 1, _log_ratio(logprobs[first : index + 1], divisor), True)
                first, divisor = index + 1, 0.0
            elif id not in self._blank:
                within_word = True


def _log_ratio(logprobs: Sequence[float], divisor: float) -> float:
    """Σ logprobs - divisor, which is at most 0 but for the rounding of its terms."""
    ratio = math.fsum(logprobs) - divisor
    return 0.0 if ratio > 0 else ratio


def word_pieces(tokenizer: Tokenizer) -> WordPieces | None:
    """The word boundaries of `tokenizer`; None if its tokens are words."""
    return WordPieces(tokenizer) if tokenizer.splits_words else None

"""Statistics of a text from one pass. The defaults of a run depend on them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from weft.text.decoding import WORDS_IN_CACHE, batches_of
from weft.text.rules import AT_SEPARATORS
from weft.text.tokenizers.base import UNK

MOST_DISTINCT_WORDS = 1 << 18
"""Counting of distinct words stops at about this number."""

_PUNCTUATED = re.compile(r"\w[\"'”’»)\]]*[,;:!?]+[\"'”’»)\]]*(?=\s)")


@dataclass(frozen=True)
class TextStatistics:
    """Counts over a text.

    characters      Unicode code points, line ends included
    lines           line ends
    words           number of words, by the rule of new tokenizers
    letters         characters in words
    distinct_words  different words, at most about MOST_DISTINCT_WORDS
    has_unk         whether some word is a literal `<unk>`
    pieces          pieces in which the text was read: lines and parts of long lines
    longest_piece   characters of the longest
    punctuated      words with , ; : ! or ? at their end, quotation marks and brackets aside; a full stop may belong to
                    an abbreviation
    """

    characters: int
    lines: int
    words: int
    letters: int
    distinct_words: int
    has_unk: bool = False
    pieces: int = 0
    longest_piece: int = 0
    punctuated: int = 0

    @property
    def mean_word_length(self) -> float:
        """Letters a word; above about 15 for scripts written without spaces. 0 for a text without words."""
        return self.letters / self.words if self.words else 0.0

    @property
    def punctuated_share(self) -> float:
        """Share of the words with punctuation at their end: 5 to 15% of written text, none where it is separated."""
        return self.punctuated / self.words if self.words else 0.0


def text_statistics(pieces: Iterable[str]) -> TextStatistics:
    """The statistics of a text, which is read once, in constant memory."""
    characters = lines = words = letters = punctuated = number = longest = 0
    distinct_words: set[str] = set()
    has_unk = False
    for batch in batches_of(pieces, WORDS_IN_CACHE):
        text = "".join(batch)
        found = AT_SEPARATORS.words(text)
        number += len(batch)
        longest = max(longest, max(map(len, batch)))
        characters += len(text)
        lines += text.count("\n")
        words += len(found)
        letters += sum(map(len, found))
        has_unk = has_unk or UNK in found
        punctuated += sum(1 for _ in _PUNCTUATED.finditer(text))
        if len(distinct_words) < MOST_DISTINCT_WORDS:
            distinct_words.update(found)
    distinct = len(distinct_words)
    return TextStatistics(characters, lines, words, letters, distinct, has_unk, number, longest, punctuated=punctuated)

"""The size and shape of a text, from one cheap pass: what defaults are chosen by."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from weft.text.tokenizer import UNK

BATCH_CHARACTERS = 1 << 18
MOST_DISTINCT_WORDS = 1 << 18


@dataclass(frozen=True)
class TextStatistics:
    """Counts over a text.

    bytes                in UTF-8, line ends as "\\n"
    characters           Unicode code points, line ends included
    lines                line ends
    words                white-space separated
    letters              characters that are not white space
    distinct_characters  different code points
    distinct_words       different words; counting stops at about MOST_DISTINCT_WORDS
    has_unk              whether some word is a literal `<unk>`
    """

    bytes: int
    characters: int
    lines: int
    words: int
    letters: int
    distinct_characters: int
    distinct_words: int
    has_unk: bool = False

    @property
    def mean_word_length(self) -> float:
        """Characters a word; large (above 15, say) for scripts written without spaces. 0 without words."""
        return self.letters / self.words if self.words else 0.0

    @property
    def words_per_line(self) -> float:
        """Words a line. 0 without line ends."""
        return self.words / self.lines if self.lines else 0.0


def text_statistics(pieces: Iterable[str]) -> TextStatistics:
    """The statistics of a text that is read once, in constant memory."""
    size = characters = lines = words = letters = 0
    distinct_characters: set[str] = set()
    distinct_words: set[str] = set()
    has_unk = False
    for text in _joined(pieces):
        found = text.split()
        size += len(text.encode("utf-8"))
        characters += len(text)
        lines += text.count("\n")
        words += len(found)
        letters += sum(map(len, found))
        distinct_characters.update(text)
        has_unk = has_unk or UNK in found
        if len(distinct_words) < MOST_DISTINCT_WORDS:
            distinct_words.update(found)
    return TextStatistics(
        size, characters, lines, words, letters, len(distinct_characters), len(distinct_words), has_unk
    )


def _joined(pieces: Iterable[str]) -> Iterable[str]:
    # Thousands of lines at a time: a few calls a line would take longer than the counting.
    batch: list[str] = []
    size = 0
    for piece in pieces:
        batch.append(piece)
        size += len(piece)
        if size >= BATCH_CHARACTERS:
            yield "".join(batch)
            batch, size = [], 0
    yield "".join(batch)

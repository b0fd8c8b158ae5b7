"""Splits a text into three contiguous parts: training at the beginning, then validation, then test at the end."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Protocol

from weft.errors import InputError
from weft.text.corpus import OnBytes
from weft.text.decoding import LONGEST_PIECE
from weft.text.rules import LONGEST_WORD


class PieceSource(Protocol):
    """A text that can be read repeatedly: a `Corpus` or a part of one."""

    def pieces(self, on_bytes: OnBytes | None = None) -> Iterator[str]: ...


@dataclass(frozen=True)
class Part:
    """The pieces of `source` that begin at a character from `start` to `stop` - 1."""

    source: PieceSource
    start: int
    stop: int

    def pieces(self, on_bytes: OnBytes | None = None) -> Iterator[str]:
        """The pieces of the part. `on_bytes` also counts the bytes of the source before the part."""
        for first, piece in _with_positions(self.source.pieces(on_bytes)):
            if first >= self.stop:
                return
            if first >= self.start:
                yield piece


class Split(NamedTuple):
    """The parts of a text. A part whose share is 0 is None."""

    train: Part
    valid: Part | None
    test: Part | None


def split_corpus(
    corpus: PieceSource,
    total_characters: int,
    valid_fraction: float,
    test_fraction: float = 0.0,
    longest_piece: int = LONGEST_PIECE + LONGEST_WORD,
) -> Split:
    """Hold out the shares `valid_fraction` and `test_fraction` of the text's characters, at the end of the text.

    Each cut is at the first piece that begins at or after the exact share. It is moved if a part would be empty.
    longest_piece: characters of the longest piece, or an upper bound; near the size of a part, the text is read once
    more.

    Raises InputError if the fractions are out of range or the text has fewer pieces than parts.
    """
    if not (valid_fraction >= 0 and test_fraction >= 0 and valid_fraction + test_fraction < 1):
        raise InputError(
            f"the validation and test fractions must be at least 0 and together below 1, got {valid_fraction:g} and "
            f"{test_fraction:g}"
        )
    shares = [1 - valid_fraction - test_fraction, *(share for share in (valid_fraction, test_fraction) if share > 0)]
    cuts = [round(total_characters * sum(shares[:number])) for number in range(1, len(shares))]
    # In a part that is longer than any piece, a piece begins. Only for shorter parts must the text be read.
    if min(shares) * total_characters <= longest_piece + 1:
        cuts = _without_empty_parts(corpus, cuts, total_characters)
    limits = [0, *cuts, total_characters]
    train, *held_out = (Part(corpus, start, stop) for start, stop in pairwise(limits))
    return Split(
        train,
        valid=held_out[0] if valid_fraction > 0 else None,
        test=held_out[-1] if test_fraction > 0 else None,
    )


def _without_empty_parts(corpus: PieceSource, cuts: Sequence[int], total_characters: int) -> list[int]:
    """The beginnings of pieces closest to `cuts` that leave at least one piece before, between and after them."""
    begins = array("q", (first for first, _ in _with_positions(corpus.pieces())))
    parts = len(cuts) + 1
    if len(begins) < parts:
        raise InputError(
            f"the text ({total_characters:,} characters) is too short to be split: it has {len(begins)} lines and "
            f"needs at least {parts}, one for each part; give more text or separate files, or hold nothing out"
        )
    moved: list[int] = []
    index = 0
    for number, cut in enumerate(cuts, start=1):
        index = min(max(bisect_left(begins, cut), index + 1), len(begins) - parts + number)
        moved.append(begins[index])
    return moved


def _with_positions(pieces: Iterator[str]) -> Iterator[tuple[int, str]]:
    """Every piece after the position of its first character in the text."""
    position = 0
    for piece in pieces:
        yield position, piece
        position += len(piece)

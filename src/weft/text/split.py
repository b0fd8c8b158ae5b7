"""One text in three contiguous parts: the beginning trains, then comes validation, and the end of the text tests."""

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


class PieceSource(Protocol):
    """A text that can be read again and again: a `Corpus` or a part of one."""

    def pieces(self, on_bytes: OnBytes | None = None) -> Iterator[str]: ...


@dataclass(frozen=True)
class Part:
    """The pieces of `source` that begin at the characters from `start` to `stop`, `stop` not included."""

    source: PieceSource
    start: int
    stop: int

    def pieces(self, on_bytes: OnBytes | None = None) -> Iterator[str]:
        """The part from its beginning; `on_bytes` is told of the bytes read before it as well."""
        for place, piece in _placed(self.source.pieces(on_bytes)):
            if place >= self.stop:
                return
            if place >= self.start:
                yield piece


class Split(NamedTuple):
    """The parts of a text; one whose share is 0 is None."""

    train: Part
    valid: Part | None
    test: Part | None


def split_corpus(
    corpus: PieceSource, total_characters: int, valid_fraction: float, test_fraction: float = 0.0
) -> Split:
    """Hold out the shares `valid_fraction` and `test_fraction` of the text's characters, at its end.

    The cuts are at the first pieces that begin at or after the exact shares, moved where that would leave a part empty.

    Raises InputError when the fractions are out of range or the text has fewer pieces than parts.
    """
    if not (valid_fraction >= 0 and test_fraction >= 0 and valid_fraction + test_fraction < 1):
        raise InputError(
            f"the validation and test fractions must be at least 0 and together below 1, got {valid_fraction:g} and "
            f"{test_fraction:g}"
        )
    shares = [1 - valid_fraction - test_fraction, *(share for share in (valid_fraction, test_fraction) if share > 0)]
    cuts = [round(total_characters * sum(shares[:number])) for number in range(1, len(shares))]
    # A span that is longer than any piece has a piece beginning in it; only shorter ones need a look at the text.
    if min(shares) * total_characters <= LONGEST_PIECE + 2:
        cuts = _moved(corpus, cuts, total_characters)
    borders = [0, *cuts, total_characters]
    train, *held_out = (Part(corpus, start, stop) for start, stop in pairwise(borders))
    return Split(
        train,
        valid=held_out[0] if valid_fraction > 0 else None,
        test=held_out[-1] if test_fraction > 0 else None,
    )


def _moved(corpus: PieceSource, cuts: Sequence[int], total_characters: int) -> list[int]:
    """The places where pieces begin that are next to `cuts`, with at least one piece before, between and after them."""
    places = array("q", (place for place, _ in _placed(corpus.pieces())))
    parts = len(cuts) + 1
    if len(places) < parts:
        raise InputError(
            f"the text ({total_characters:,} characters) is too short to be split: it has {len(places)} lines and "
            f"needs at least {parts}, one for each part; give more text or separate files, or hold nothing out"
        )
    moved: list[int] = []
    index = 0
    for number, cut in enumerate(cuts, start=1):
        index = min(max(bisect_left(places, cut), index + 1), len(places) - parts + number)
        moved.append(places[index])
    return moved


def _placed(pieces: Iterator[str]) -> Iterator[tuple[int, str]]:
    place = 0
    for piece in pieces:
        yield place, piece
        place += len(piece)

"""Regions of a sentence, the tokens in each of them, and the metrics of their surprisals."""

from __future__ import annotations

import math
import statistics
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from weft.text.rules import SEPARATORS


class ScoredToken(Protocol):
    """What is needed of a token: the characters that it covers, and its surprisal. A `TokenScore` has it."""

    @property
    def start(self) -> int:
        """Index of its first character in the sentence."""

    @property
    def end(self) -> int:
        """Index after its last character; `start` for a token without characters, such as the line end."""

    @property
    def text(self) -> str:
        """The characters."""

    @property
    def surprisal_bits(self) -> float:
        """-log2 P(token | everything before it)."""

    @property
    def oov(self) -> bool:
        """Whether the word is outside the vocabulary."""


Token = TypeVar("Token", bound=ScoredToken)


@dataclass(frozen=True)
class Sentence:
    """The text of a sentence, and for each region the index after its last character.

    A region without characters ends where the one before it ends. The space between two regions belongs to the second.
    """

    text: str
    ends: tuple[int, ...]

    def tokens_by_region(self, tokens: Iterable[Token]) -> list[list[Token]]:
        """The tokens of each region: a token belongs to the region of its first character.

        A token without characters after the text belongs to the last region with characters.
        """
        regions: list[list[Token]] = [[] for _ in self.ends]
        last = self.ends.index(self.ends[-1])
        for token in tokens:
            regions[min(bisect_right(self.ends, token.start), last)].append(token)
        return regions


def joined_regions(contents: Sequence[str]) -> Sentence:
    """The sentence of these regions with one space between them; spaces around a region are left out, as are blank
    regions."""
    text, ends = "", []
    for content in contents:
        content = content.strip(SEPARATORS)
        text += f" {content}" if text and content else content
        ends.append(len(text))
    return Sentence(text, tuple(ends))


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


METRICS: dict[str, Callable[[Sequence[float]], float]] = {
    "sum": math.fsum,
    "mean": _mean,
    "median": statistics.median,
    "range": lambda values: max(values) - min(values),
    "max": max,
    "min": min,
}
"""Statistics of the surprisals of a region."""


def metric_value(metric: str, surprisals: Sequence[float]) -> float | None:
    """The metric of surprisals in bits; of no surprisals the sum is 0, and any other metric None."""
    return None if metric != "sum" and not surprisals else METRICS[metric](surprisals)

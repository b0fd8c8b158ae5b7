"""Rows of scores for one row of a table: a row for each token, one for the sentence, or one for each region.

A value is None where it is undefined or not known. A token belongs to the region of its first character that is no
white space; white space alone belongs to what follows it. The line end is in no region.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from weft.errors import InputError, nearest
from weft.scoring.formats.columns import columns_in_units
from weft.scoring.token_score import TokenScore
from weft.scoring.units import BITS, NATS, Unit
from weft.tables.regions import Region, Sentence

LAYOUTS = ("long", "wide", "regions")
BY_DEFAULT = ("position", "token", "text", "start", "end", "logprob", "surprisal", "oov")
Kind = Literal["text", "whole", "number"]
_KINDS: dict[str, Kind] = {
    "position": "whole", "token": "text", "text": "text", "start": "whole", "end": "whole", "rank": "whole",
    "oov": "whole",
}  # fmt: skip
"""What the values of columns are that are no numbers with decimals."""

Values = tuple[Any, ...]


@dataclass(frozen=True)
class Header:
    """A computed column: its name, with the unit, and what its values are."""

    name: str
    kind: Kind


class Layout(ABC):
    """Scores of a sentence -> rows of values, one for each of `headers`."""

    headers: tuple[Header, ...]

    @abstractmethod
    def rows(self, number: int, sentence: Sentence, scores: Sequence[TokenScore]) -> list[Values]:
        """The rows for the sentence of row `number` of the table, at least one."""

    def missing(self, number: int) -> list[Values]:
        """The row for row `number` if nothing is known."""
        return [(number, *[None] * (len(self.headers) - 1))]


class Long(Layout):
    """One row for each token. columns: of `weft.scoring.formats.columns`. with_regions: add the region of each."""

    def __init__(self, columns: Sequence[str], unit: Unit | None, unknown_as_na: bool, with_regions: bool) -> None:
        self._columns = columns_in_units(columns, unit, unknown_as_na)
        self._with_regions = with_regions
        self.headers = (
            Header("row", "whole"),
            *((Header("region_number", "whole"), Header("region", "text")) if with_regions else ()),
            *(Header(column.header, _KINDS.get(column.name, "number")) for column in self._columns),
        )

    def rows(self, number: int, sentence: Sentence, scores: Sequence[TokenScore]) -> list[Values]:
        if not scores:
            return self.missing(number)
        values = [tuple([column.value(score) for column in self._columns]) for score in scores]
        if not self._with_regions:
            return [(number, *row) for row in values]
        regions = [region_of(score, sentence) for score in scores]
        return [
            (number, *((region.number, region.label) if region else (None, None)), *row)
            for region, row in zip(regions, values, strict=True)
        ]


class Wide(Layout):
    """One row for each sentence: the number of tokens and of unknown ones, sums and the mean."""

    def __init__(self, unit: Unit | None, unknown_as_na: bool) -> None:
        self._logprob, self._surprisal = unit or NATS, unit or BITS
        self._unknown_as_na = unknown_as_na
        self.headers = (
            Header("row", "whole"),
            Header("tokens", "whole"),
            Header("oov", "whole"),
            Header(f"logprob_sum_{self._logprob.name}", "number"),
            Header(f"surprisal_sum_{self._surprisal.name}", "number"),
            Header(f"surprisal_mean_{self._surprisal.name}", "number"),
        )

    def rows(self, number: int, sentence: Sentence, scores: Sequence[TokenScore]) -> list[Values]:
        total = total_nats(scores, self._unknown_as_na)
        logprob = None if total is None else 0.0 - total / self._logprob.nats
        return [(number, len(scores), unknown(scores), logprob, *sum_and_mean(total, len(scores), self._surprisal))]


class ByRegion(Layout):
    """One row for each region of a sentence: number, name, words as written, tokens, sum and mean of the surprisal."""

    def __init__(self, unit: Unit | None, unknown_as_na: bool) -> None:
        self._unit, self._unknown_as_na = unit or BITS, unknown_as_na
        self.headers = (
            Header("row", "whole"),
            Header("region_number", "whole"),
            Header("region", "text"),
            Header("words", "text"),
            Header("tokens", "whole"),
            Header("oov", "whole"),
            Header(f"surprisal_sum_{self._unit.name}", "number"),
            Header(f"surprisal_mean_{self._unit.name}", "number"),
        )

    def rows(self, number: int, sentence: Sentence, scores: Sequence[TokenScore]) -> list[Values]:
        within: dict[int, list[TokenScore]] = {region.number: [] for region in sentence.regions}
        for score in scores:
            region = region_of(score, sentence)
            if region is not None:
                within[region.number].append(score)
        rows = [self._row(number, sentence, region, within[region.number]) for region in sentence.regions]
        return rows or self.missing(number)

    def _row(self, number: int, sentence: Sentence, region: Region, scores: Sequence[TokenScore]) -> Values:
        total = total_nats(scores, self._unknown_as_na)
        words = sentence.text[region.start : region.end]
        counts = len(scores), unknown(scores)
        return (number, region.number, region.label, words, *counts, *sum_and_mean(total, len(scores), self._unit))


@dataclass(frozen=True)
class LayoutSettings:
    """What is chosen of a layout.

    layout   one of LAYOUTS; None: "regions" if regions are given, otherwise "long"
    regions  whether regions are given
    columns  of the long layout; empty: BY_DEFAULT
    unit     of all logarithms; None: nats for log-probabilities, bits for surprisals
    unknown_as_na  whether the scores of words out of the vocabulary, and sums with them, are None
    """

    layout: str | None = None
    regions: bool = False
    columns: Sequence[str] = ()
    unit: Unit | None = None
    unknown_as_na: bool = False

    def chosen(self) -> Layout:
        """The layout. Raises InputError for an unknown one, and for settings that exclude each other."""
        name = self.layout or ("regions" if self.regions else "long")
        if name not in LAYOUTS:
            raise InputError(f"the layout must be one of {', '.join(LAYOUTS)}, got {name!r}{nearest(name, LAYOUTS)}")
        if name == "regions" and not self.regions:
            raise InputError("the layout 'regions' needs to know how regions are given: name that too")
        if name == "wide" and self.regions:
            raise InputError("the layout 'wide' has a row for each sentence: leave it out, or leave out the regions")
        if self.columns and name != "long":
            raise InputError(f"columns can be chosen in the layout 'long', not in {name!r}")
        if name == "wide":
            return Wide(self.unit, self.unknown_as_na)
        if name == "regions":
            return ByRegion(self.unit, self.unknown_as_na)
        return Long(self.columns or BY_DEFAULT, self.unit, self.unknown_as_na, self.regions)


def region_of(score: TokenScore, sentence: Sentence) -> Region | None:
    """The region of the first character, from the token's start on, that is no white space; None of a line end."""
    if score.is_line_end:
        return None
    first = len(sentence.text) - len(sentence.text[score.start :].lstrip())
    return next((region for region in sentence.regions if region.start <= first < region.end), None)


def total_nats(scores: Sequence[TokenScore], unknown_as_na: bool) -> float | None:
    """The sum of the surprisals in nats; None of no tokens, and with `unknown_as_na` of tokens with an unknown one."""
    if not scores or (unknown_as_na and unknown(scores)):
        return None
    return math.fsum(score.surprisal_nats for score in scores)


def sum_and_mean(total: float | None, tokens: int, unit: Unit) -> tuple[float | None, float | None]:
    """A sum in nats and its mean, in another unit."""
    return (None, None) if total is None else (total / unit.nats, total / unit.nats / tokens)


def unknown(scores: Sequence[TokenScore]) -> int:
    """The number of unknown words."""
    return sum(score.oov for score in scores)

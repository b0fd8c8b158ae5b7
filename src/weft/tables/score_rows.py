"""From the rows of a table to rows of scores, in order and in constant memory."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import tee
from typing import Any

from weft.errors import InputError, nearest, quoted
from weft.scoring.token_score import TokenScore
from weft.tables.layouts import ByRegion, Layout, Values
from weft.tables.regions import RegionMarks, Sentence

Row = Mapping[str, Any]
Score = Callable[[Iterator[str | None]], Iterable[list[TokenScore]]]
"""Texts -> the scores of each; None has none. As `LanguageModel.score_lines` without its other arguments."""


@dataclass
class TableScorer:
    """Scores the texts in the column `text` of rows.

    regions: how they are given; None: there are none. missing, without_region, beyond: how many rows had no text, how
    many no region where a row for each was wanted, and how many tokens crossed the edge of a region.
    """

    text: str
    layout: Layout
    regions: RegionMarks | None = None
    missing: int = field(default=0, init=False)
    without_region: int = field(default=0, init=False)
    beyond: int = field(default=0, init=False)

    @property
    def needed(self) -> list[str]:
        """The columns that are read."""
        column = None if self.regions is None else self.regions.column
        return [self.text] if column in (None, self.text) else [self.text, column]

    def check(self, columns: Sequence[str]) -> None:
        """Raise InputError if a column that is needed is not among `columns`."""
        for name in self.needed:
            check_column(name, columns)

    def sentences(self, rows: Iterable[Row]) -> Iterator[Sentence | None]:
        """The sentence of each row; None for a row without text. Raises InputError, with the number of the row."""
        for number, row in enumerate(rows, start=1):
            text = text_of(row.get(self.text), self.text, number)
            if text is None:
                self.missing += 1
                yield None
            elif self.regions is None:
                yield Sentence(text)
            else:
                try:
                    yield self.regions.read(text, row)
                except InputError as error:
                    raise InputError(f"row {number}: {error}") from None

    def scored(self, rows: Iterable[Row], score: Score) -> Iterator[tuple[Row, list[Values]]]:
        """Each row with its rows of scores."""
        kept, taken = tee(rows)
        sentences, again = tee(self.sentences(taken))
        texts = (None if sentence is None else sentence.text for sentence in again)
        for number, (scores, sentence, row) in enumerate(zip(score(texts), sentences, kept, strict=False)):
            if sentence is None:
                yield row, self.layout.missing(number)
                continue
            values = self.layout.rows(number, sentence, scores)
            if self.regions is not None:
                self._count(sentence, scores)
            yield row, values

    def notes(self) -> Iterator[str]:
        """What a user should know about the rows, a sentence each."""
        if self.missing:
            yield f"rows without text in {quoted(self.text)}, whose scores are NA: {self.missing:,}"
        if self.without_region:
            yield f"rows without a region, whose scores are NA: {self.without_region:,}"
        if self.beyond:
            yield f"tokens that cross the edge of a region, and count where they begin: {self.beyond:,}"

    def _count(self, sentence: Sentence, scores: Sequence[TokenScore]) -> None:
        self.without_region += isinstance(self.layout, ByRegion) and not sentence.regions
        inner = Counter(end for region in sentence.regions for end in (region.start, region.end))
        for score in scores:
            if not score.is_line_end:
                text = score.text
                first = score.start + len(text) - len(text.lstrip())
                self.beyond += any(first < end < score.start + len(text.rstrip()) for end in inner)


def check_column(name: str, columns: Sequence[str]) -> None:
    """Raise InputError if `name` is not among `columns`, or more than once."""
    if columns.count(name) > 1:
        raise InputError(f"there are {columns.count(name)} columns {quoted(name)}: rename all but one")
    if name not in columns:
        shown = ", ".join(map(quoted, columns[:12])) + (", …" if len(columns) > 12 else "")
        raise InputError(f"there is no column {quoted(name)}{nearest(name, columns)}; there are {shown}")


def text_of(value: Any, column: str, number: int) -> str | None:
    """The text in a cell; None for an empty one, `NA`, None and NaN. Raises InputError for what is no text."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if not isinstance(value, str):
        raise InputError(f"row {number}: the column {quoted(column)} should be text, got {quoted(value)}")
    return None if value.strip() in ("", "NA") else value


def free_names(names: Iterable[str], taken: Iterable[str]) -> list[str]:
    """`names`, each with as many `weft_` before it as it takes to be different from those `taken`."""
    used = set(taken)
    found = []
    for name in names:
        while name in used:
            name = f"weft_{name}"
        used.add(name)
        found.append(name)
    return found

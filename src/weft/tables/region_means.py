"""Means of a score by region and condition, with intervals over items.

A row of a table is one observation. The observations of an item in one region and condition are averaged first, so that
each item counts once. With the n means x_i of the items,

    mean = Σ x_i / n        interval = mean ± t(n - 1) sqrt(Σ (x_i - mean)² / (n - 1) / n)

and t(ν) the value that a Student's t with ν degrees of freedom exceeds in absolute value in 5% of cases.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from weft.errors import InputError, quoted
from weft.tables.score_rows import check_column
from weft.text.decimals import decimal

VALUES = tuple(f"surprisal_{kind}{unit}" for kind in ("sum_", "", "mean_") for unit in ("bits", "nats", "bans"))
"""The columns that are looked for if none is named, in this order."""

NUMBER = "region_number"
"""The column by which regions are ordered, where it is there."""

CONFIDENCE = 0.95


@dataclass(frozen=True)
class StudyColumns:
    """Names of columns. None: for `value` the first of VALUES that is there; for others, there is no such column.

    words: the text of a region, shown under it.
    """

    value: str | None = None
    region: str = "region"
    condition: str | None = None
    item: str | None = None
    model: str | None = None
    words: str | None = "words"


@dataclass(frozen=True)
class Mean:
    """The mean over items; half of its 95% interval, None for a single item; the number of items."""

    mean: float
    half_width: float | None
    items: int


@dataclass
class Study:
    """Observations by model, condition, region and item, in the order in which they are first seen."""

    columns: StudyColumns
    value: str = ""
    undefined: int = 0
    models: dict[str, None] = field(default_factory=dict)
    conditions: dict[str, None] = field(default_factory=dict)
    _regions: dict[str, list[float]] = field(default_factory=dict)
    _observed: dict[tuple[str, str, str], dict[str, list[float]]] = field(default_factory=dict)
    _words: dict[str, dict[tuple[str, str], str]] = field(default_factory=dict)

    def add(self, rows: Iterable[Mapping[str, Any]], names: Sequence[str], model: str = "") -> None:
        """Add the rows of a table with the columns `names`. model: its name, if no column has it.

        Raises InputError for a column that is not there and for a value that is no number.
        """
        columns = self.columns
        for name in (columns.region, columns.condition, columns.item, columns.model):
            if name is not None:
                check_column(name, names)
        value = columns.value or next((name for name in VALUES if name in names), VALUES[0])
        check_column(value, names)
        if self.value not in ("", value):
            raise InputError(f"one table has {quoted(self.value)} and another {quoted(value)}: name one with --value")
        self.value = value
        words = columns.words if columns.words in names else None
        for number, row in enumerate(rows, start=1):
            region = _label(row, columns.region)
            if not region:
                continue
            condition, item = _label(row, columns.condition), _label(row, columns.item) or f"row {number}"
            key = (_label(row, columns.model) or model, condition, region)
            self.models.setdefault(key[0])
            self.conditions.setdefault(condition)
            self._regions.setdefault(region, [])
            order = decimal(_label(row, NUMBER))
            if not math.isnan(order):
                self._regions[region].append(order)
            if words is not None:
                self._words.setdefault("" if columns.item is None else item, {}).setdefault(
                    (condition, region), _label(row, words)
                )
            observed = _number(row.get(value), value, number)
            if observed is None:
                self.undefined += 1
            else:
                self._observed.setdefault(key, {}).setdefault(item, []).append(observed)

    @property
    def regions(self) -> list[str]:
        """The regions by their mean number; without numbers, by their names if these are numbers, or as first seen."""
        regions = list(self._regions)
        if all(self._regions.values()):
            return sorted(regions, key=lambda region: statistics.fmean(self._regions[region]))
        if not any(math.isnan(decimal(region)) for region in regions):
            return sorted(regions, key=decimal)
        return regions

    def mean(self, model: str, condition: str, region: str) -> Mean | None:
        """The mean over the items; None if there is none."""
        items = self._observed.get((model, condition, region))
        if not items:
            return None
        return mean_over_items([statistics.fmean(values) for values in items.values()])

    def example(self) -> tuple[str, dict[tuple[str, str], str], bool] | None:
        """The first item that has words in most conditions and regions, these words, and whether all items have them.

        None without words.
        """
        if not self._words:
            return None
        item = max(self._words, key=lambda item: len(self._words[item]))
        same = all(
            self._words[item].get(place) == text for words in self._words.values() for place, text in words.items()
        )
        return item, self._words[item], same

    def items(self) -> tuple[int, int]:
        """The least and the largest number of items of a mean."""
        counts = [len(items) for items in self._observed.values()]
        return (min(counts), max(counts)) if counts else (0, 0)


def mean_over_items(values: Sequence[float]) -> Mean:
    """The mean of values, one for each item, with its interval."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Mean(mean, None, len(values))
    error = statistics.stdev(values) / math.sqrt(len(values))
    return Mean(mean, critical_t(len(values) - 1) * error, len(values))


def critical_t(degrees: int) -> float:
    """The t that a Student's t of `degrees` degrees of freedom exceeds in absolute value with probability 0.05."""
    low, high = 0.0, 13.0  # 12.706 for one degree
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        if probability_within(middle, degrees) < CONFIDENCE:
            low = middle
        else:
            high = middle
        if middle in (low, high) and high - low < 1e-11:
            break
    return (low + high) / 2


def probability_within(t: float, degrees: int) -> float:
    """P(|T| <= t) of Student's t, by its finite series (Abramowitz & Stegun, 26.7.3 and 26.7.4)."""
    angle = math.atan(t / math.sqrt(degrees))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = degrees % 2 == 1
    term, total = (cosine, 0.0) if odd else (1.0, 0.0)
    for k in range(degrees // 2):
        total += term
        numerator = 2 * k + (2 if odd else 1)
        term *= numerator / (numerator + 1) * cosine**2
    return 2 / math.pi * (angle + sine * total) if odd else sine * total


def _label(row: Mapping[str, Any], column: str | None) -> str:
    """The content of a cell as a name; "" for a missing one."""
    cell = None if column is None else row.get(column)
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))  # whole numbers of a pandas column with missing values
    return str(cell)


def _number(cell: Any, column: str, row: int) -> float | None:
    if cell is None or (isinstance(cell, str) and cell.strip() in ("", "NA")):
        return None
    number = decimal(cell.strip()) if isinstance(cell, str) else float(cell) if isinstance(cell, int | float) else None
    if number is None or (isinstance(cell, str) and math.isnan(number)):
        raise InputError(f"row {row}: the column {quoted(column)} should be a number, got {quoted(cell)}")
    return None if math.isnan(number) else number

"""`table`: one table for each line, for people, with the sums of log-probability and surprisal.

A word out of the vocabulary is shown as written, followed by `<unk>`. Each alternative has a line of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle

from weft.presentation.escapes import visible
from weft.presentation.records import decimal
from weft.presentation.tables import Column, Row, drawn
from weft.scoring.formats.columns import UnitColumn, columns_in_units
from weft.scoring.formats.layout import Layout, Lines
from weft.scoring.formats.tsv import field_of
from weft.scoring.token_score import TokenScore

BY_DEFAULT = ("position", "token", "logprob", "surprisal")
SUMMED = ("logprob", "surprisal")
WORDS = ("token", "text", "alternatives")
LABELS = ("position", "token")
"""Columns that are repeated where a terminal is too narrow for all columns."""


def write_table(lines: Lines, layout: Layout) -> Iterator[str]:
    """The table of each line; tokens out of the vocabulary are in italics on a terminal."""
    columns = columns_in_units(layout.columns or BY_DEFAULT, layout.unit, layout.unknown_as_na)
    shown = [
        Column(
            column.header,
            numbers=column.name not in WORDS,
            indivisible=column.name == "alternatives",
            label=column.name in LABELS,
        )
        for column in columns
    ]
    fields = [_field(column) for column in columns]
    modes = layout.modes or ("",)
    for index, (mode, scores) in enumerate(zip(cycle(modes), lines)):
        title = f"sentence {index // len(modes)}" + (f", {mode}" if mode else "")
        rows = [Row([field(score) for field in fields], "italic" if score.oov else "") for score in scores]
        if rows:
            rows[-1] = Row(rows[-1].fields, rows[-1].style, ends_section=True)
        yield drawn(shown, [*rows, Row(_sums(columns, scores))], title)


def _field(column: UnitColumn) -> Callable[[TokenScore], str]:
    match column.name:
        case "token":
            return _token
        case "alternatives":
            value = column.value
            return lambda score: "\n".join(f"{visible(token)}={decimal(logprob)}" for token, logprob in value(score))
        case _:
            return field_of(column)


def _token(score: TokenScore) -> str:
    if score.oov and score.text != score.token:
        return f"{visible(score.text)} {score.token}"
    return visible(score.token)


def _sums(columns: Sequence[UnitColumn], scores: Sequence[TokenScore]) -> list[str]:
    sums = [decimal(_total(column, scores), 4) if column.name in SUMMED else "" for column in columns]
    labels = [index for index, column in enumerate(columns) if column.name in WORDS]
    if labels and any(sums):
        sums[labels[0]] = "sum"
    return sums


def _total(column: UnitColumn, scores: Sequence[TokenScore]) -> float:
    """The sum of the defined values."""
    return math.fsum(value for value in map(column.value, scores) if value is not None)

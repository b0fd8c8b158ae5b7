"""`tsv`: one tab-separated row for each token, after a header with units; an undefined value is an empty field.

Fields are quoted as `csv` does. Tabs and other unprintable characters within a token or text are escaped, and a space
in a token is ␣; `jsonl` has the exact text. Alternatives are in one field, `token=logprob` separated by spaces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

from weft.presentation.escapes import printable, visible
from weft.presentation.records import decimal, joined, quoted, tsv_row
from weft.scoring.formats.columns import BY_DEFAULT, UnitColumn, columns_in_units
from weft.scoring.formats.layout import Layout, Lines
from weft.scoring.token_score import TokenScore

TEXTS = ("token", "text", "alternatives")
"""Columns whose fields are quoted where needed."""


def write_tsv(lines: Lines, layout: Layout) -> Iterator[str]:
    """The rows of each line as one string, the header first."""
    columns = columns_in_units(layout.columns or BY_DEFAULT, layout.unit, layout.unknown_as_na)
    fields = [_quoted_field(column) if column.name in TEXTS else field_of(column) for column in columns]
    headers = [column.header for column in columns]
    yield tsv_row(["mode", *headers] if layout.modes else headers)
    for mode, scores in zip(cycle(layout.modes or [""]), lines):
        first = [mode] if mode else []
        yield "".join([joined([*first, *[field(score) for field in fields]]) for score in scores])


def field_of(column: UnitColumn) -> Callable[[TokenScore], str]:
    """Score -> the field of the column."""
    value, show = column.value, _show(column.name)

    def field(score: TokenScore) -> str:
        content = value(score)
        return "" if content is None else show(content)

    return field


def _quoted_field(column: UnitColumn) -> Callable[[TokenScore], str]:
    field = field_of(column)
    return lambda score: quoted(field(score))


def _show(name: str) -> Callable[[Any], str]:
    match name:
        case "token":
            return visible
        case "text":
            return printable
        case "alternatives":
            return lambda pairs: " ".join(f"{visible(token)}={decimal(logprob)}" for token, logprob in pairs)
        case "logprob" | "surprisal" | "entropy" | "entropy_reduction":
            return decimal
        case _:
            return str

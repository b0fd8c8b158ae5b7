"""`tsv`: one tab-separated row for each token, after a header with units; an undefined value is an empty field.

Tabs and other unprintable characters within a token or text are escaped, and a space in a token is ␣. Alternatives are
in one field, `token=logprob` separated by spaces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

from weft.scoring.formats.columns import BY_DEFAULT, UnitColumn, columns_in_units, decimal
from weft.scoring.formats.layout import Layout, Lines, printable, visible
from weft.scoring.token_score import TokenScore


def write_tsv(lines: Lines, layout: Layout) -> Iterator[str]:
    """The rows of each line as one string, the header first."""
    columns = columns_in_units(layout.columns or BY_DEFAULT, layout.unit)
    fields = [field_of(column) for column in columns]
    headers = [column.header for column in columns]
    yield "\t".join(["mode", *headers] if layout.modes else headers) + "\n"
    for mode, scores in zip(cycle(layout.modes or [""]), lines):
        before = f"{mode}\t" if mode else ""
        yield "".join([before + "\t".join([field(score) for field in fields]) + "\n" for score in scores])


def field_of(column: UnitColumn) -> Callable[[TokenScore], str]:
    """Score -> the field of the column."""
    value, show = column.value, _show(column.name)

    def field(score: TokenScore) -> str:
        content = value(score)
        return "" if content is None else show(content)

    return field


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

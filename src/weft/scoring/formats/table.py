"""`table`: one table for each line, for people, with the sums of log-probability and surprisal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import TYPE_CHECKING

from weft.scoring.formats.columns import UnitColumn, columns_in_units
from weft.scoring.formats.layout import Layout, Lines
from weft.scoring.formats.tsv import field_of
from weft.scoring.token_score import TokenScore

if TYPE_CHECKING:
    from rich.table import Table

BY_DEFAULT = ("position", "token", "logprob", "surprisal")
SUMMED = ("logprob", "surprisal")
WORDS = ("token", "text", "alternatives")
NO_TERMINAL = 1 << 20
"""Width in characters where lines must not wrap."""


def write_table(lines: Lines, layout: Layout) -> Iterator[str]:
    """The table of each line; tokens out of the vocabulary are in italics on a terminal."""
    columns = columns_in_units(layout.columns or BY_DEFAULT, layout.unit)
    modes = layout.modes or ("",)
    for index, (mode, scores) in enumerate(zip(cycle(modes), lines)):
        title = f"sentence {index // len(modes)}" + (f", {mode}" if mode else "")
        yield drawn(_table(title, columns, scores))


def _table(title: str, columns: Sequence[UnitColumn], scores: Sequence[TokenScore]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left")
    fields = [field_of(column) for column in columns]
    for column in columns:
        table.add_column(column.header, justify="left" if column.name in WORDS else "right", overflow="fold")
    for score in scores:
        table.add_row(*(Text(field(score), style="italic" if score.oov else "") for field in fields))
    table.add_section()
    table.add_row(*_sums(columns, scores))
    return table


def drawn(table: Table) -> str:
    """A table as text; on a terminal within its width and, unless NO_COLOR is set, with styles."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console.width = NO_TERMINAL
    with console.capture() as text:
        console.print(table)
    return text.get()


def _sums(columns: Sequence[UnitColumn], scores: Sequence[TokenScore]) -> list[str]:
    sums = [f"{_total(column, scores):.4f}" if column.name in SUMMED else "" for column in columns]
    labels = [index for index, column in enumerate(columns) if column.name in WORDS]
    if labels and any(sums):
        sums[labels[0]] = "sum"
    return sums


def _total(column: UnitColumn, scores: Sequence[TokenScore]) -> float:
    return math.fsum(column.value(score) for score in scores)

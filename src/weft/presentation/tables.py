"""Tables for people: words wrap, numbers are never broken, and columns without room are continued in another table."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weft.presentation.escapes import printable

if TYPE_CHECKING:
    from rich.table import Table

NARROWEST_WORDS = 12
"""Width in characters to which a column of words is narrowed before another table is begun."""

WIDEST_HEADER = 20
"""Most characters of a header that are not broken in a narrow table, as those of a long file name."""

_FRAME = 3
"""Characters of a column besides its content: a blank at each side, and a line. The table has one line more."""

_NO_TERMINAL = 1 << 20
"""Width in characters where lines do not wrap."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    header       its name, which is wrapped after an underscore, a slash or a blank
    numbers      whether it is aligned at the right
    indivisible  whether the lines of its fields are kept whole, as those of numbers are
    label        whether it is repeated in every table, if one is not wide enough for all columns
    """

    header: str
    numbers: bool = False
    indivisible: bool = False
    label: bool = False


@dataclass(frozen=True)
class Row:
    """The fields of a row. style: one of Rich, shown on a terminal. ends_section: whether a line is drawn below."""

    fields: Sequence[str]
    style: str = ""
    ends_section: bool = False


def drawn(columns: Sequence[Column], rows: Sequence[Row], title: str = "") -> str:
    """A table as text, on a terminal within its width and, unless NO_COLOR is set, with styles."""
    from rich.console import Console

    console = Console()
    # Rich takes every dumb terminal to have 80 columns.
    room = shutil.get_terminal_size().columns if console.is_terminal else _NO_TERMINAL
    console.width = _NO_TERMINAL  # the widths of the columns are chosen here
    widths = [_Widths.of(column, [row.fields[index] for row in rows]) for index, column in enumerate(columns)]
    with console.capture() as text:
        for number, part in enumerate(_parts(columns, widths, room)):
            chosen = dict(zip(part, _fitted([widths[index] for index in part], room), strict=True))
            console.print(_table(columns, rows, chosen, title if number == 0 else ""))
    return text.get()


def write_drawn(columns: Sequence[Column], rows: Sequence[Row], title: str = "") -> None:
    """Write a table to standard output at once."""
    sys.stdout.write(drawn(columns, rows, title))
    sys.stdout.flush()


@dataclass(frozen=True)
class _Widths:
    """The width of a column in characters: with all fields and the header unwrapped, and the least one."""

    natural: int
    least: int

    @classmethod
    def of(cls, column: Column, fields: Sequence[str]) -> _Widths:
        from rich.cells import cell_len

        pieces = min(max((cell_len(piece.rstrip()) for piece in _pieces(column.header)), default=0), WIDEST_HEADER)
        widest = max((cell_len(line) for field in fields for line in _lines(field)), default=0)
        kept = widest if column.numbers or column.indivisible else min(widest, NARROWEST_WORDS)
        return cls(max(cell_len(column.header), widest), max(pieces, kept))


def _parts(columns: Sequence[Column], widths: Sequence[_Widths], room: int) -> Iterator[list[int]]:
    """The indices of the columns of each table: as many as fit into `room`, the labels in each."""
    labels = [index for index, column in enumerate(columns) if column.label]
    others = [index for index, column in enumerate(columns) if not column.label]
    widest = max((widths[index].least for index in others), default=0)
    while labels and 1 + widest + _FRAME + sum(widths[label].least + _FRAME for label in labels) > room:
        others.insert(0, labels.pop(0))  # without room for all labels the last ones are repeated
    part: list[int] = []
    for index in others:
        used = 1 + sum(widths[each].least + _FRAME for each in (*labels, *part, index))
        if part and used > room:
            yield sorted([*labels, *part])
            part = []
        part.append(index)
    yield sorted([*labels, *part])


def _fitted(widths: Sequence[_Widths], room: int) -> list[int]:
    """The width of each column: the natural ones, of which the widest is narrowed while they do not fit."""
    chosen = [width.natural for width in widths]
    excess = 1 + sum(width + _FRAME for width in chosen) - room
    while excess > 0:
        spare = [
            (width, index) for index, (width, limits) in enumerate(zip(chosen, widths, strict=True))
            if width > limits.least
        ]  # fmt: skip
        if not spare:
            break
        chosen[max(spare)[1]] -= 1
        excess -= 1
    return chosen


def _table(columns: Sequence[Column], rows: Sequence[Row], widths: dict[int, int], title: str) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title, style="table.title") if title else None, title_justify="left")
    for index, width in widths.items():
        column = columns[index]
        header = Text("\n".join(_wrapped(column.header, width)))
        table.add_column(header, justify="right" if column.numbers else "left", overflow="fold", width=width)
    for row in rows:
        fields = [Text("\n".join(_lines(row.fields[index]))) for index in widths]
        table.add_row(*fields, style=row.style or None, end_section=row.ends_section)
    return table


def _lines(field: str) -> list[str]:
    return [printable(line) for line in field.split("\n")]


def _pieces(header: str) -> list[str]:
    """The parts of a header that are not broken if there is room for them, each with the separator after it."""
    return re.findall(r"[^_ /]*[_ /]|[^_ /]+", printable(header))


def _wrapped(header: str, width: int) -> Iterator[str]:
    from rich.cells import cell_len

    line = ""
    for piece in _pieces(header):
        if line and cell_len((line + piece).rstrip()) > width:
            yield line.rstrip()
            line = ""
        line += piece
    yield line.rstrip()

"""Tables: drawn on a terminal, tab-separated elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console


def print_table(console: Console, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table on a terminal; elsewhere the header and the rows, one line of tab-separated fields each."""
    if not console.is_terminal:
        for row in (header, *rows):
            typer.echo("\t".join(row), file=console.file)
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(*header)
    for row in rows:
        table.add_row(*(Text(field, overflow="fold") for field in row))
    console.print(table)

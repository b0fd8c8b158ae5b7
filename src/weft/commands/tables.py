"""Tables of words: drawn on a terminal, tab-separated elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from weft.presentation.streams import write_rows
from weft.presentation.tables import Column, Row, write_drawn


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on a terminal; elsewhere the header and the rows, one line of tab-separated fields each."""
    if sys.stdout.isatty():
        write_drawn([Column(name, label=number == 0) for number, name in enumerate(header)], [Row(row) for row in rows])
    else:
        write_rows(header, *rows)

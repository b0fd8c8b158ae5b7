"""Numbers and names on the command line. The numbers are given to Typer as parsers, so that a message can say what was
given."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from weft.errors import InputError, nearest


def whole_number(text: str | int) -> int:
    """`text` as an int; raises typer.BadParameter if it is none."""
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"expected a whole number, got {text!r}") from None


def number(text: str | float) -> float:
    """`text` as a float; raises typer.BadParameter if it is none."""
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"expected a number, got {text!r}") from None


BatchSize = Annotated[
    int,
    typer.Option(
        parser=whole_number, metavar="N", help="Read so many side by side; the speed changes, the numbers do not."
    ),
]


OpenBatchSize = Annotated[
    int | None,
    typer.Option(
        parser=whole_number,
        metavar="N",
        help="Read so many side by side; the speed changes, the numbers do not.  [default: 16 parts of a running text, "
        "32 lines]",
        show_default=False,
    ),
]
"""A batch size that is left open, since some ways of reading have none."""


def at_least_one(**sizes: int | None) -> None:
    """Raise typer.BadParameter for a size that is given and below 1, under the name of its option."""
    for name, size in sizes.items():
        if size is not None and size < 1:
            raise typer.BadParameter(f"expected at least 1, got {size}", param_hint=f"'--{name.replace('_', '-')}'")


def one_of(option: str, given: str, known: Iterable[str]) -> str:
    """`given`, if it is known; raises InputError under the name of the option if not."""
    known = tuple(known)
    if given not in known:
        raise InputError(f"{option} must be one of {', '.join(known)}, got {given!r}{nearest(given, known)}")
    return given

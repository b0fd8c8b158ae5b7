"""Numbers and names on the command line, each checked with a message that quotes what was given."""

from __future__ import annotations

from collections.abc import Iterable

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


def at_least_one(**sizes: int | None) -> None:
    """Raise typer.BadParameter for a size that is given and below 1, under the name of its option."""
    for name, size in sizes.items():
        if size is not None and size < 1:
            raise typer.BadParameter(f"expected at least 1, got {size}", param_hint=f"'--{name.replace('_', '-')}'")


def one_of(option: str, given: str, known: Iterable[str]) -> str:
    """`given`, if it is among `known`; otherwise raises InputError under the name of the option."""
    known = tuple(known)
    if given not in known:
        raise InputError(f"{option} must be one of {', '.join(known)}, got {given!r}{nearest(given, known)}")
    return given

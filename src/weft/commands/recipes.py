"""`weft recipes`: settings whose result is known, to be run with `weft train --recipe NAME`."""

from __future__ import annotations

from typing import Annotated

import typer

from weft.commands.listing import print_table
from weft.recipes import duration, find_recipe, recipe_names

_HEADER = ("name", "what it is", "text", "what comes out", "time")


def recipes(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The recipe to print, as TOML.", show_default=False)
    ] = None,
) -> None:
    """List the recipes, or print one.

    A recipe is a file of settings with the result to expect. With NAME it is printed, to be changed and used with
    --config: weft recipes ptb-fast > mine.toml
    """
    if name is not None:
        typer.echo(find_recipe(name).path.read_text("utf-8"), nl=False)
        return
    from rich.console import Console

    rows = [
        (found.name, found.about, ", ".join(found.settings.get("data", ())), found.result, duration(found.minutes))
        for found in map(find_recipe, recipe_names())
    ]
    print_table(Console(), _HEADER, rows)

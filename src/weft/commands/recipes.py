"""`weft recipes`: settings whose result is known, to be run with `weft train --recipe NAME`."""

from __future__ import annotations

from typing import Annotated

import typer

from weft.commands.tables import print_table
from weft.errors import InputError
from weft.runs.recipes import Recipe, duration, find_recipe, recipe_names
from weft.text.catalogue import locate, named_corpus

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
        (found.name, found.about, _text(found), _result(found), duration(found.minutes))
        for found in map(find_recipe, recipe_names())
    ]
    print_table(Console(), _HEADER, rows)


def _text(recipe: Recipe) -> str:
    names = recipe.settings.get("data", ())
    return ", ".join(f"{name} (to be fetched: weft data {name})" if _is_to_fetch(name) else name for name in names)


def _is_to_fetch(name: str) -> bool:
    try:
        return named_corpus(name) is not None and locate(name) is None
    except InputError:
        return True  # it is here, with a wrong content that `weft data` tells of


def _result(recipe: Recipe) -> str:
    return "; ".join([recipe.result, *(f"{variant.name}: {variant.result}" for variant in recipe.variants)])

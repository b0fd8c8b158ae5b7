"""`weft recipes`: list the settings with a known result, or print them; `weft train --recipe NAME` runs them."""

from __future__ import annotations

from typing import Annotated

import typer

from weft.commands.options.completion import completing
from weft.commands.tables import print_table
from weft.errors import InputError
from weft.presentation.streams import write_text
from weft.runs.recipes import Recipe, duration, find_recipe, recipe_names
from weft.text.catalogue import locate, named_corpus

_HEADER = ("name", "what it is", "text", "what comes out", "time")


def recipes(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", help="The recipe to print, as TOML.", show_default=False, **completing(recipe_names)
        ),
    ] = None,
) -> None:
    """List the training recipes, or print one.

    A recipe is a file of settings and the result to expect from them. Print one to change it and use it with
    `weft train --config`.

    Examples:
      weft recipes
      weft recipes ptb-fast > mine.toml
      weft train --config mine.toml
    """
    if name is not None:
        write_text(find_recipe(name).path.read_text("utf-8"))
        return
    rows = [
        (found.name, found.about, _text(found), _result(found), duration(found.minutes))
        for found in map(find_recipe, recipe_names())
    ]
    print_table(_HEADER, rows)


def _text(recipe: Recipe) -> str:
    names = recipe.settings.get("data", ())
    return ", ".join(f"{name} (to be fetched: weft data {name})" if _is_missing(name) else name for name in names)


def _is_missing(name: str) -> bool:
    try:
        return named_corpus(name) is not None and locate(name) is None
    except InputError:
        return True  # its files are here with other content, which `weft data` reports


def _result(recipe: Recipe) -> str:
    return "; ".join([recipe.result, *(f"{variant.name}: {variant.result}" for variant in recipe.variants)])

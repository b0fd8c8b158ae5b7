"""Arguments of `weft train` and `weft find-lr`: the text, and settings from a file, a recipe and single options."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from weft.commands.options.completion import completing, recipes, texts
from weft.commands.options.declaration import option
from weft.commands.options.text import TEXT_HELP
from weft.errors import InputError
from weft.presentation.streams import note
from weft.runs import settings as run_settings

TrainingText = Annotated[
    list[str] | None,
    typer.Argument(metavar="TEXT", help=f"Training text. {TEXT_HELP}", show_default=False, autocompletion=texts),
]
ConfigOption = Annotated[Path | None, option("A TOML file of settings; options override it.", metavar="FILE")]
RecipeOption = Annotated[
    str | None,
    option("The settings of a recipe, see `weft recipes`; options override it.", metavar="NAME", **completing(recipes)),
]


def given_settings(
    config: Path | None, recipe: str | None, text: list[str] | None, settings: dict[str, Any], *, resume: bool = False
) -> dict[str, Any]:
    """The settings of a file or recipe, those of options, which override them, and the text given as an argument."""
    if text and settings.get("data"):
        raise InputError("the text is given twice, as an argument and with --data; give it once")
    given = {name: value for name, value in settings.items() if value not in (None, [], ())}
    return run_settings.given_settings(config, recipe, text or None, given, resume=resume, note=note)


def default_name(data: tuple[str, ...], resume: bool) -> str:
    """The name of a run after its text: `my` for texts/my.txt.gz, `stdin` for "-"."""
    if not data:
        if resume:
            raise InputError("no run is given to go on with: name its folder with --out, or its text")
        raise InputError("no text is given: name a file or folder, or see `weft demo` and `weft data`")
    if data[0] == "-":
        return "stdin"
    path = Path(re.sub(r"[*?\[].*", "", data[0]) or "text")
    return path.name.removesuffix(".gz").rsplit(".", 1)[0] or path.resolve().name or "text"

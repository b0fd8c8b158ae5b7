"""`weft train`: train a language model on a text. Its options are the fields of `weft.config`."""

from __future__ import annotations

import re
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from weft.commands.data import fetch_with_bar
from weft.commands.options.run import RUNS
from weft.commands.options.settings import with_settings
from weft.commands.training_summary import final_losses, measured, summary
from weft.errors import InputError
from weft.runs.recipes import Recipe, duration, find_recipe
from weft.runs.reporting import OnStream
from weft.runs.settings import CHANGEABLE, given_settings
from weft.runs.train import Trained, train_run

TextArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="TEXT",
        help="Training text: files, folders, globs, .gz, '-' for standard input, 'builtin', or a corpus that "
        "`weft data` lists.",
        show_default=False,
    ),
]
ConfigOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A TOML file of settings; options win over it.")
]

RecipeOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The settings of a recipe, see `weft recipes`; options win over it."),
]


@with_settings()
def train_command(
    text: TextArgument = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="The run folder.  [default: the name of text or recipe, under runs/]"),
    ] = None,
    config: ConfigOption = None,
    recipe: RecipeOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run where it was interrupted.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run if there is one.")] = False,
    **settings: Any,
) -> None:
    """Train a language model on a text.

    A setting without a default is chosen for the text, and the choice explained. Ctrl-C saves; --resume goes on.
    """
    stated = stated_on_command_line(config, recipe, text, settings, resume=resume)
    follows = find_recipe(recipe) if recipe is not None else None
    own_text = bool(text or settings.get("data"))
    run = out or RUNS / (follows.name if follows and not own_text else default_name(stated.get("data", ()), resume))
    if follows:
        typer.echo(f"{follows.about}: {follows.result} in about {duration(follows.minutes)}", err=True)
    trained = train_run(
        run, stated, resume=resume, overwrite=overwrite, reporter=OnStream(sys.stderr), fetch=fetch_with_bar
    )
    losses = final_losses(trained)
    for line in summary(trained, losses):
        typer.echo(line)
    if follows:
        changed = follows.changed(_settings_that_count(follows, stated, trained))
        typer.echo(_verdict(follows, changed, measured(follows.measure, losses)))
        for line in [] if changed else _variants(follows, run):
            typer.echo(line, err=True)


def _settings_that_count(recipe: Recipe, stated: dict[str, Any], trained: Trained) -> dict[str, Any]:
    """The run's settings by which it is the recipe's run or another: it may have been started with other ones."""
    kept = trained.model.config.by_name()
    return {name: kept[name] for name in dict.fromkeys((*recipe.settings, *stated, *CHANGEABLE))}


def _verdict(recipe: Recipe, changed: list[str], reached: float | None) -> str:
    if changed:
        return f"the figure of recipe {recipe.name} does not apply: {', '.join(changed)} changed"
    if reached is None:
        return f"the figure of recipe {recipe.name} does not apply: there is no such text"
    return recipe.verdict(reached)


def _variants(recipe: Recipe, run: Path) -> list[str]:
    """The recipe's other evaluations, as a person can ask for them."""
    command = ["weft", "eval", "--run", str(run)]
    return [f"{each.name}, expected {each.result}: {shlex.join([*command, *each.options])}" for each in recipe.variants]


def stated_on_command_line(
    config: Path | None, recipe: str | None, text: list[str] | None, settings: dict[str, Any], *, resume: bool = False
) -> dict[str, Any]:
    """What a person states: by a file or recipe, by options that win over it, and the text as an argument."""
    if text and settings.get("data"):
        raise InputError("the text is given twice, as an argument and with --data; give it once")
    given = {name: value for name, value in settings.items() if value not in (None, [], ())}
    return given_settings(config, recipe, text or None, given, resume=resume, note=partial(typer.echo, err=True))


def default_name(data: tuple[str, ...], resume: bool) -> str:
    """The name of a run by its text: `my` for texts/my.txt.gz, `stdin` for "-"."""
    if not data:
        if resume:
            raise InputError("no run is given to go on with: name its folder with --out, or its text")
        raise InputError("no text is given: name a file or folder, or see `weft demo` and `weft data`")
    if data[0] == "-":
        return "stdin"
    path = Path(re.sub(r"[*?\[].*", "", data[0]) or "text")
    return path.name.removesuffix(".gz").rsplit(".", 1)[0] or path.resolve().name or "text"

"""`weft train`: train a language model on a text. Its settings are the fields of `weft.config`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

from weft.commands.fetch import fetch_with_bar
from weft.commands.options.completion import RUNS
from weft.commands.options.declaration import option
from weft.commands.options.settings import with_settings
from weft.commands.options.training import ConfigOption, RecipeOption, TrainingText, default_name, given_settings
from weft.commands.training_summary import final_losses, measured, summary
from weft.config import CHANGEABLE
from weft.presentation.streams import note, write_text
from weft.runs.recipes import Recipe, duration, find_recipe
from weft.runs.reporting import OnStream
from weft.runs.train import Trained, train_run


@with_settings()
def train_command(
    text: TrainingText = None,
    out: Annotated[
        Path | None,
        option("The run folder.", metavar="FOLDER", default="the name of text or recipe, under runs/"),
    ] = None,
    recipe: RecipeOption = None,
    config: ConfigOption = None,
    resume: Annotated[bool, option("Continue the run where it was interrupted.", "--resume")] = False,
    overwrite: Annotated[bool, option("Replace the run if it exists.", "--overwrite")] = False,
    **settings: Any,
) -> None:
    """Train a language model on a text.

    A setting without a default is chosen for the text, and the choice explained. Ctrl-C saves; --resume continues.

    Examples:
      weft train my.txt
      weft train my.txt --cell gru --layers 2 --epochs 10
      weft train --recipe ptb-fast
      weft train my.txt --resume
      weft train new.txt --from runs/my --extend-vocab
    """
    given = given_settings(config, recipe, text, settings, resume=resume)
    followed = find_recipe(recipe) if recipe is not None else None
    own_text = bool(text or settings.get("data"))
    run = out or RUNS / (followed.name if followed and not own_text else default_name(given.get("data", ()), resume))
    if followed:
        note(f"{followed.about}: {followed.result} in about {duration(followed.minutes)}")
    trained = train_run(
        run, given, resume=resume, overwrite=overwrite, reporter=OnStream(sys.stderr), fetch=fetch_with_bar
    )
    losses = final_losses(trained)
    write_text("".join(f"{line}\n" for line in summary(trained, losses)))
    if followed:
        changed = followed.changed(_compared_settings(followed, given, trained))
        write_text(_verdict(followed, changed, measured(followed.measure, losses, run)) + "\n")
        for line in [] if changed else _variants(followed, run):
            note(line)


def _compared_settings(recipe: Recipe, given: dict[str, Any], trained: Trained) -> dict[str, Any]:
    """The settings of the run that decide whether it is a run of the recipe; a resumed run may have kept other ones."""
    kept = trained.model.config.by_name()
    return {name: kept[name] for name in dict.fromkeys((*recipe.settings, *given, *CHANGEABLE))}


def _verdict(recipe: Recipe, changed: list[str], reached: float | None) -> str:
    if changed:
        return f"the figure of recipe {recipe.name} does not apply: {', '.join(changed)} changed"
    if reached is None:
        return f"the figure of recipe {recipe.name} does not apply: there is no such text"
    return recipe.verdict(reached)


def _variants(recipe: Recipe, run: Path) -> list[str]:
    """The recipe's other evaluations, each with the command that does it."""
    command = ["weft", "eval", "--run", str(run)]
    return [f"{each.name}, expected {each.result}: {shlex.join([*command, *each.options])}" for each in recipe.variants]

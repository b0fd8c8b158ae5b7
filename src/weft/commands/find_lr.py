"""`weft find-lr`: which learning rate suits a text and a model. Its options are those of `weft train`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from weft.commands.data import fetch_with_bar
from weft.commands.options.output_file import check_place
from weft.commands.options.run import RUNS
from weft.commands.options.settings import with_settings
from weft.commands.options.types import at_least_one, number, whole_number
from weft.commands.train import ConfigOption, RecipeOption, TextArgument, default_name, stated_on_command_line
from weft.errors import InputError
from weft.runs.lr_search import WITHOUT_EFFECT
from weft.runs.lr_search import find_lr as find_rate
from weft.runs.reporting import OnStream
from weft.training.lr_range_test import HIGHEST, LOWEST, STEPS, write_sweep
from weft.training.plots import draw_sweep


@with_settings(without=WITHOUT_EFFECT)
def find_lr(
    text: TextArgument = None,
    config: ConfigOption = None,
    recipe: RecipeOption = None,
    lowest: Annotated[
        float, typer.Option("--from", parser=number, metavar="X", help="The learning rate to begin with.")
    ] = LOWEST,
    highest: Annotated[
        float, typer.Option("--to", parser=number, metavar="X", help="The learning rate to end with.")
    ] = HIGHEST,
    steps: Annotated[int, typer.Option(parser=whole_number, metavar="N", help="Steps of training in all.")] = STEPS,
    png: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The picture.  [default: the text's name and .lr.png, under runs/]"),
    ] = None,
    tsv: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The numbers.  [default: the text's name and .lr.tsv, under runs/]"),
    ] = None,
    **settings: Any,
) -> None:
    """Suggest a learning rate for a text.

    A fresh model is trained for some hundred steps while the rate grows from far too low to far too high, and thrown
    away. The suggestion goes to standard output: weft train my.txt --lr $(weft find-lr my.txt)
    """
    at_least_one(steps=steps)
    if not 0 < lowest < highest < float("inf"):
        raise InputError(f"the learning rates must grow from above 0, got --from {lowest:g} --to {highest:g}")
    stated = stated_on_command_line(config, recipe, text, settings)
    name = default_name(stated.get("data", ()), resume=False)
    for given, what in ((png, "the picture"), (tsv, "the numbers")):
        if given is not None:
            check_place(given, what)
    reporter = OnStream(sys.stderr)
    sweep = find_rate(stated, lowest=lowest, highest=highest, steps=steps, reporter=reporter, fetch=fetch_with_bar)
    if png is None or tsv is None:
        RUNS.mkdir(exist_ok=True)
    png, tsv = png or RUNS / f"{name}.lr.png", tsv or RUNS / f"{name}.lr.tsv"
    write_sweep(tsv, sweep)
    draw_sweep(png, sweep)
    reporter.note(f"the curve is in {png}, its numbers in {tsv}")
    for line in sweep.explanation():
        reporter.note(line)
    if sweep.suggestion is None:
        raise InputError("no learning rate can be suggested: the loss never fell; try more --steps or a wider range")
    typer.echo(f"{sweep.suggestion:.2g}")

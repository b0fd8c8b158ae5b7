"""`weft find-lr`: a learning rate for a text and a model. Its settings are those of `weft train`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

from weft.commands.fetch import fetch_with_bar
from weft.commands.help import OUTPUT
from weft.commands.options.completion import RUNS
from weft.commands.options.declaration import number_option, option, whole_number_option
from weft.commands.options.settings import with_settings
from weft.commands.options.training import ConfigOption, RecipeOption, TrainingText, default_name, given_settings
from weft.commands.options.values import at_least_one
from weft.commands.options.writable import check_writable
from weft.errors import InputError
from weft.presentation.streams import write
from weft.runs.lr_search import WITHOUT_EFFECT
from weft.runs.lr_search import find_lr as sweep_learning_rates
from weft.runs.reporting import OnStream
from weft.training.lr_range_test import HIGHEST, LOWEST, STEPS, write_sweep
from weft.training.plots import draw_sweep


@with_settings(without=(*WITHOUT_EFFECT, "from_run", "extend_vocab"))  # --from is the first learning rate here
def find_lr(
    text: TrainingText = None,
    lowest: Annotated[float, number_option("The first learning rate.", "--from")] = LOWEST,
    highest: Annotated[float, number_option("The last learning rate.", "--to")] = HIGHEST,
    steps: Annotated[int, whole_number_option("Training steps in total.")] = STEPS,
    config: ConfigOption = None,
    recipe: RecipeOption = None,
    png: Annotated[
        Path | None,
        option("The curve.", metavar="FILE", default="the text's name and .lr.png, under runs/", group=OUTPUT),
    ] = None,
    tsv: Annotated[
        Path | None,
        option("Its numbers.", metavar="FILE", default="the text's name and .lr.tsv, under runs/", group=OUTPUT),
    ] = None,
    **settings: Any,
) -> None:
    """Suggest a learning rate for a text.

    A fresh model is trained for some hundred steps while the learning rate grows from far too low to far too high; the
    model is then discarded. The suggestion goes to standard output.

    Examples:
      weft find-lr my.txt
      weft train my.txt --lr $(weft find-lr my.txt)
    """
    at_least_one(steps=steps)
    if not 0 < lowest < highest < float("inf"):
        raise InputError(f"the learning rates must grow from above 0, got --from {lowest:g} --to {highest:g}")
    given = given_settings(config, recipe, text, settings)
    name = default_name(given.get("data", ()), resume=False)
    for path, content in ((png, "the picture"), (tsv, "the numbers")):
        if path is not None:
            check_writable(path, content)
    reporter = OnStream(sys.stderr)
    sweep = sweep_learning_rates(
        given, lowest=lowest, highest=highest, steps=steps, reporter=reporter, fetch=fetch_with_bar
    )
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
    write(f"{sweep.suggestion:.2g}\n")

"""The settings that a person gives for a run, by a file, a recipe or one by one: collected, checked, and for a resumed
run compared with its configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from weft.backends.fused import check_fused, why_not_bfloat16
from weft.config import CHANGEABLE, Config, Settings, check_settings
from weft.config.toml import read_settings
from weft.errors import InputError
from weft.layers import OutputSettings, Regularization, layer_normalized, time_layer
from weft.layers.output import check_tied
from weft.layers.stack import layer_sizes, residual_layers
from weft.runs.recipes import find_recipe
from weft.text.paths import check_name
from weft.text.tokenizers.registry import tokenizer_class

ONLY_FUSED = ("threads", "precision")
"""Settings that the plain kernels do not have."""


def given_settings(
    config: str | Path | None,
    recipe: str | None,
    data: Any,
    settings: Settings,
    *,
    resume: bool,
    note: Callable[[str], None],
) -> dict[str, Any]:
    """Settings from the file `config` or the recipe named `recipe`, overridden by `data` and `settings`.

    If the run is resumed, the recipe's values of CHANGEABLE settings do not count: those of the run stay. If the
    processor has no bfloat16, a recipe in bfloat16 is trained in float32, which reaches the same result; `note`
    receives a line that says so.

    Raises InputError for both a file and a recipe, for unknown settings, and for values out of their bounds.
    """
    if config is not None and recipe is not None:
        raise InputError(f"settings are given twice, by the file {config} and by the recipe {recipe!r}: give one")
    given = read_settings(Path(config)) if config is not None else {}
    if recipe is not None:
        given = dict(find_recipe(recipe).settings)
        if resume:
            given = {name: value for name, value in given.items() if name not in CHANGEABLE}
    overriding = check_settings({name: value for name, value in settings.items() if value is not None})
    if overriding.get("kernels") == "plain":
        given = {name: value for name, value in given.items() if name not in ONLY_FUSED}
    recipe_in_bfloat16 = recipe is not None and given.get("precision") == "bfloat16"
    if recipe_in_bfloat16 and "precision" not in overriding and (reason := why_not_bfloat16()):
        del given["precision"]
        note(f"precision float32: {reason}")
    given.update(overriding)
    if data is not None:
        given.update(check_settings({"data": data}))
    for name in chain.from_iterable(given.get(text, ()) for text in ("data", "valid", "test")):
        check_name(name)
    return given


def check_given(given: Settings) -> None:
    """Raise InputError for errors in `given` that would otherwise be found only after the text has been read."""
    find = layer_normalized if given.get("layer_norm") else time_layer
    cell, layers = find(given.get("cell", "lstm")).cell_type, given.get("layers", 1)
    # An unset size is chosen later: equal to the other size, or so that it does not matter here.
    sizes = [given[name] for name in ("embedding_size", "hidden_size") if name in given] or [1]
    sizes_of_layers = layer_sizes(sizes[0], sizes[-1], layers, given.get("tied", False))
    if given.get("residual"):
        residual_layers(sizes_of_layers)
    Regularization.among(given).check(cell, layers, given.get("dropout"))
    check_tied(OutputSettings.among(given).output, given.get("tied", False))
    precision, kernels = given.get("precision", "float32"), given.get("kernels")
    if kernels == "fused" or (kernels is None and precision != "float32"):
        check_fused(given.get("threads"), precision)
    if "tokenizer" in given:
        tokenizer_class(given["tokenizer"]).check_installed()


def resumed_config(config: Config, given: Settings, run: Path) -> Config:
    """The configuration `config` of the run folder `run`, with the CHANGEABLE settings of `given`.

    Raises InputError if `given` has another value for any other setting.
    """
    kept = config.by_name()
    for name, value in given.items():
        if name not in CHANGEABLE and kept[name] != value:
            before, now = (
                ", ".join(map(str, shown)) if isinstance(shown, tuple) else shown for shown in (kept[name], value)
            )
            raise InputError(
                f"{run} was trained with {name} {before}, not {now}; a resumed run can change only "
                f"{', '.join(CHANGEABLE)}"
            )
    changes = {name: value for name, value in given.items() if name in CHANGEABLE}
    if changes.get("kernels") == "plain":
        changes = {"threads": None, "precision": "float32", **changes}
    return replace(config, training=replace(config.training, **changes))

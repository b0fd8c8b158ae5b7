"""One result: a folder of what a whole run left, readable without weft.

    result.json     the commands, what they took and printed, and on what machine
    recipe.toml     the recipe that was followed
    config.toml     every setting, resolved
    metrics.jsonl   one line an epoch
    curve.png       perplexity over the epochs

It is named after its recipe, and after the settings changed: `ptb-textbook+seed=2`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from weft.config import SECTIONS
from weft.config.toml import read_toml
from weft.errors import InputError, MissingFileError
from weft.files import write_text_atomically
from weft.run_folder import CONFIG, CURVE, METRICS
from weft.runs.recipes import TEST_BITS, TEST_PERPLEXITY, Recipe

RECORD, RECIPE = "result.json", "recipe.toml"
ROWS = {TEST_PERPLEXITY: "perplexity_including_oov", TEST_BITS: "bits_per_token"}
"""The row of `weft eval` that a measure of the test text is."""


@dataclass(frozen=True)
class Evaluation:
    """One `weft eval`: of which text, with which options, and what it printed; a row without a value is None."""

    split: str
    options: tuple[str, ...]
    command: str
    seconds: float
    rows: Mapping[str, float | None]


@dataclass(frozen=True)
class Result:
    """A recipe that was run to its end.

    changed   settings that were not the recipe's
    reached   the value of the measure
    command   the training; `seconds` of it all, of which `training_seconds` are steps
    earlier   seconds of the trainings right before it, on the same machine, by the name of their result
    """

    recipe: str
    changed: Mapping[str, str]
    measure: str
    reached: float
    command: str
    seconds: float
    training_seconds: float
    earlier: Mapping[str, float]
    evaluations: Sequence[Evaluation]
    machine: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The name of its folder."""
        return result_name(self.recipe, self.changed)

    def evaluation(self, split: str, options: Sequence[str] = ()) -> Evaluation | None:
        """The evaluation with these options, if there was one."""
        return next((e for e in self.evaluations if (e.split, list(e.options)) == (split, list(options))), None)


def result_name(recipe: str, changed: Mapping[str, str]) -> str:
    """What the result of a recipe with some settings changed is called."""
    return "+".join([recipe, *(f"{name}={value}" for name, value in sorted(changed.items()))])


def value_of(measure: str, evaluation: Evaluation) -> float:
    """The value of a measure of the test text; raises InputError if it was not printed."""
    value = evaluation.rows.get(ROWS[measure])
    if value is None:
        raise InputError(f"`{evaluation.command}` printed no {ROWS[measure]}")
    return value


def read_results(results: Path) -> list[Result]:
    """Every result in a folder, by name."""
    return [read_result(path.parent) for path in sorted(results.glob(f"*/{RECORD}"))]


def read_result(folder: Path) -> Result:
    """The result in its folder; raises MissingFileError if there is none, InputError if it cannot be read."""
    try:
        values = json.loads((folder / RECORD).read_text("utf-8"))
        evaluations = [Evaluation(**{**given, "options": tuple(given["options"])}) for given in values["evaluations"]]
        result = Result(**{**values, "evaluations": evaluations})
    except FileNotFoundError:
        raise MissingFileError(f"there is no result at {folder}") from None
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{folder / RECORD} is not the record of a run: {error!r}") from None
    if result.name != folder.name:
        raise InputError(f"{folder} holds the result {result.name}: name the folder so")
    return result


def write_result(results: Path, result: Result, recipe: Recipe, run: Path) -> Path:
    """Put a result in its place, with the files of the run folder `run`; what was there before goes at once."""
    folder = results / result.name
    new, old = (results / f".{result.name}.{state}" for state in ("new", "old"))
    for leftover in (new, old):
        shutil.rmtree(leftover, ignore_errors=True)
    new.mkdir(parents=True)
    for name in (CONFIG, METRICS, CURVE):
        shutil.copyfile(run / name, new / name)
    shutil.copyfile(recipe.path, new / RECIPE)
    write_text_atomically(new / RECORD, json.dumps(asdict(result), indent=1, ensure_ascii=False) + "\n")
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
    return folder


def settings_changed_since(folder: Path, recipe: Recipe) -> list[str]:
    """The settings that the recipe states otherwise now than when the result in `folder` was reached."""
    then, now = settings_in(folder / RECIPE), settings_in(recipe.path)
    return sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name))


def settings_in(path: Path) -> dict[str, Any]:
    """What a recipe or a configuration states, unchecked: it may have been written for another weft."""
    tables = {name: values for name, values in read_toml(path).items() if name in SECTIONS}
    return {name: value for values in tables.values() for name, value in values.items()}

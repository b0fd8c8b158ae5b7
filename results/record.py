"""The record of one complete run: a folder of files that are readable without weft.

    result.json     the commands with their times and output, and the machine
    recipe.toml     a copy of the recipe
    config.toml     all resolved settings
    metrics.jsonl   one line per epoch
    curve.png       perplexity over the epochs

The folder is named after the recipe and the changed settings: `ptb-textbook+seed=2`.
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
from weft.runs.recipes import TEST_BITS, TEST_BITS_PER_CHARACTER, TEST_PERPLEXITY, Recipe

RECORD, RECIPE = "result.json", "recipe.toml"
ROWS = {
    TEST_PERPLEXITY: "perplexity_including_oov",
    TEST_BITS: "bits_per_token",
    TEST_BITS_PER_CHARACTER: "bits_per_character",
}
"""The row of `weft eval` by measure."""


@dataclass(frozen=True)
class Evaluation:
    """One `weft eval` of a text with some options: seconds and printed rows; a row without a value is None."""

    split: str
    options: tuple[str, ...]
    command: str
    seconds: float
    rows: Mapping[str, float | None]


@dataclass(frozen=True)
class Result:
    """The result of a complete run of a recipe.

    changed           settings that differ from the recipe's
    reached           value of the measure
    command           the training command
    seconds           time of the training command
    training_seconds  time of its epochs
    earlier           seconds of the training commands before it in the same session, by result name
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
        """The name of the result's folder."""
        return result_name(self.recipe, self.changed)

    def evaluation(self, split: str, options: Sequence[str] = ()) -> Evaluation | None:
        """The evaluation of a text with these options; None if there is none."""
        return next((e for e in self.evaluations if (e.split, list(e.options)) == (split, list(options))), None)


def result_name(recipe: str, changed: Mapping[str, str]) -> str:
    """The name of the result of a recipe with changed settings."""
    return "+".join([recipe, *(f"{name}={value}" for name, value in sorted(changed.items()))])


def value_of(measure: str, evaluation: Evaluation) -> float:
    """The value of a measure of the test text. Raises InputError if the command did not print it."""
    value = evaluation.rows.get(ROWS[measure])
    if value is None:
        raise InputError(f"`{evaluation.command}` printed no {ROWS[measure]}")
    return value


def read_results(results: Path) -> list[Result]:
    """All results in a folder, sorted by name."""
    return [read_result(path.parent) for path in sorted(results.glob(f"*/{RECORD}"))]


def read_result(folder: Path) -> Result:
    """The result in a folder. Raises MissingFileError if there is none, InputError if it cannot be read."""
    try:
        values = json.loads((folder / RECORD).read_text("utf-8"))
        evaluations = [Evaluation(**{**given, "options": tuple(given["options"])}) for given in values["evaluations"]]
        result = Result(**{**values, "evaluations": evaluations})
    except FileNotFoundError:
        raise MissingFileError(f"there is no result at {folder}") from None
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{folder / RECORD} is not the record of a run: {error!r}") from None
    if result.name != folder.name:
        raise InputError(f"{folder} holds the result {result.name}: rename the folder to {result.name}")
    return result


def write_result(results: Path, result: Result, recipe: Recipe, run: Path) -> Path:
    """Write a result and the files of the run folder `run`, replacing an earlier result as a whole."""
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
    """Settings whose value in the recipe differs from that in the recipe recorded in `folder`."""
    recorded, current = settings_in(folder / RECIPE), settings_in(recipe.path)
    names = recorded.keys() | current.keys()
    return sorted(name for name in names if recorded.get(name) != current.get(name))


def settings_in(path: Path) -> dict[str, Any]:
    """Settings of a recipe or configuration, not validated: another version of weft may have written the file."""
    tables = {name: values for name, values in read_toml(path).items() if name in SECTIONS}
    return {name: value for values in tables.values() for name, value in values.items()}

"""Run recipes by the command `weft` in subprocesses, and time the commands."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.machine import description
from results import RESULTS, ROOT
from results.record import Evaluation, Result, read_result, result_name, settings_changed_since, value_of, write_result
from weft.errors import InputError
from weft.run_folder import CONFIG, HELD_OUT, METRICS, tokens_path
from weft.runs.recipes import TRAINING_PERPLEXITY, WITHIN_TOLERANCE, Recipe, find_recipe
from weft.text.catalogue import locate, named_corpus
from weft.training import read_metrics


@dataclass(frozen=True)
class Runner:
    """Runs the commands of recipes.

    start    working directory of the commands; run folders are kept in its subfolder `runs/results`
    results  folder of recorded results
    weft     program and first arguments of the command `weft`
    """

    start: Path = ROOT
    results: Path = RESULTS
    weft: Sequence[str] = (sys.executable, "-m", "weft")

    def run_folder(self, name: str) -> Path:
        """The run folder of a result, relative to `start`."""
        return Path("runs", "results", name)

    def timed(self, arguments: Sequence[str]) -> tuple[str, float, str]:
        """Run a command; return its command line, seconds and standard output, which is also printed.

        Raises InputError if the command fails.
        """
        command_line = shlex.join(["weft", *arguments])
        print(f"$ {command_line}", flush=True)
        start = time.perf_counter()
        completed = subprocess.run([*self.weft, *arguments], cwd=self.start, stdout=subprocess.PIPE, text=True)
        seconds = time.perf_counter() - start
        print(completed.stdout, end="", flush=True)
        if completed.returncode:
            raise InputError(f"`{command_line}` failed with exit code {completed.returncode}; nothing is recorded")
        return command_line, round(seconds, 2), completed.stdout

    def rejection(self, arguments: Sequence[str]) -> str:
        """The error message of `weft` for these options, empty if they are valid. Nothing else is run."""
        completed = subprocess.run([*self.weft, *arguments, "--help"], cwd=self.start, capture_output=True, text=True)
        return completed.stderr.strip() if completed.returncode else ""


def run_recipes(names: Sequence[str], changed: Mapping[str, str], runner: Runner) -> Iterator[Result]:
    """Run recipes one after another; record and yield each result when its evaluations have completed.

    changed: settings that differ from the recipes', all among WITHIN_TOLERANCE. Raises InputError before the first run
    if a recipe, a setting or a variant is invalid, or a corpus is missing.
    """
    for setting in changed:
        if setting not in WITHIN_TOLERANCE:
            raise InputError(f"a recipe cannot be run with another {setting}; use one of {', '.join(WITHIN_TOLERANCE)}")
    recipes = [find_recipe(name) for name in names]
    for recipe in recipes:
        _check(recipe, runner)
    earlier: dict[str, float] = {}
    for recipe in recipes:
        result = _run(recipe, changed, dict(earlier), runner)
        earlier[result.name] = result.seconds
        yield result


def evaluate_again(name: str, runner: Runner) -> Result:
    """Repeat the evaluations of the result `name` on its run, with the recipe's current variants, and record them.

    Raises InputError if the run folder is missing or of another run, if the recipe's settings have changed, or if the
    result was measured on another machine.
    """
    recorded = runner.results / name
    result, run = read_result(recorded), runner.run_folder(name)
    recipe = find_recipe(result.recipe)
    _check(recipe, runner)
    if settings := settings_changed_since(recorded, recipe):
        raise InputError(f"the settings of recipe {recipe.name} have changed ({', '.join(settings)}): run it again")
    for file in (CONFIG, METRICS):
        path = runner.start / run / file
        if not path.exists() or path.read_bytes() != (recorded / file).read_bytes():
            raise InputError(f"{run} is not the run that gave the result {name}: run the recipe again")
    _check_machine(result)
    evaluations = _evaluations(recipe, run, runner)
    reached = _reached(recipe, runner.start / run, evaluations)
    result = replace(result, measure=recipe.measure, reached=reached, evaluations=evaluations)
    write_result(runner.results, result, recipe, runner.start / run)
    return result


def _check_machine(result: Result) -> None:
    current = description()
    for key in ("processor", "cores"):
        if current[key] != result.machine[key]:
            raise InputError(
                f"the result {result.name} was measured on another machine, {key} {result.machine[key]}, "
                f"not {current[key]}: run the recipe again"
            )


def _check(recipe: Recipe, runner: Runner) -> None:
    """Raise InputError for a missing corpus, whose download would be timed, or for invalid options of a variant."""
    for text in recipe.settings.get("data", ()):
        # A file or folder of that name takes precedence over the corpus.
        if named_corpus(text) and not (runner.start / text).exists() and locate(text) is None:
            raise InputError(
                f"recipe {recipe.name} needs the corpus {text}, which is not downloaded; download it first, "
                f"so that the recorded time excludes the download: weft data {text}"
            )
    for variant in recipe.variants:
        if message := runner.rejection(["eval", *variant.options]):
            raise InputError(f"recipe {recipe.name}, variant {variant.name!r}: {message}")


def _run(recipe: Recipe, changed: Mapping[str, str], earlier: Mapping[str, float], runner: Runner) -> Result:
    run = runner.run_folder(result_name(recipe.name, changed))
    overwrite = ["--overwrite"] if (runner.start / run / CONFIG).exists() else []
    flags = [part for setting, value in changed.items() for part in (f"--{setting.replace('_', '-')}", value)]
    command, seconds, _ = runner.timed(["train", "--recipe", recipe.name, "--out", run.as_posix(), *overwrite, *flags])
    evaluations = _evaluations(recipe, run, runner)
    result = Result(
        recipe=recipe.name,
        changed=dict(changed),
        measure=recipe.measure,
        reached=_reached(recipe, runner.start / run, evaluations),
        command=command,
        seconds=seconds,
        training_seconds=round(sum(epoch.seconds for epoch in read_metrics(runner.start / run / METRICS)), 2),
        earlier=earlier,
        evaluations=evaluations,
        machine=description(),
    )
    write_result(runner.results, result, recipe, runner.start / run)
    return result


def _reached(recipe: Recipe, run: Path, evaluations: Sequence[Evaluation]) -> float:
    if recipe.measure == TRAINING_PERPLEXITY:
        *_, last = read_metrics(run / METRICS)
        if last.train_perplexity is None:
            raise InputError(f"{run} has a final training perplexity that is not finite; nothing is recorded")
        return last.train_perplexity
    on_test = [evaluation for evaluation in evaluations if evaluation.split == "test"]
    if not on_test:
        raise InputError(f"recipe {recipe.name} has the measure {recipe.measure} but no test text")
    return value_of(recipe.measure, on_test[0])


def _evaluations(recipe: Recipe, run: Path, runner: Runner) -> list[Evaluation]:
    """Evaluations of the validation and test text, if they exist, without options and with those of each variant."""
    splits = [split for split in HELD_OUT if tokens_path(runner.start / run, split).exists()]
    option_sets = [(), *(variant.options for variant in recipe.variants)]
    return [_evaluate(run, split, options, runner) for options in option_sets for split in splits]


def _evaluate(run: Path, split: str, options: tuple[str, ...], runner: Runner) -> Evaluation:
    command, seconds, printed = runner.timed(["eval", "--run", run.as_posix(), "--split", split, *options])
    fields = [line.partition("\t") for line in printed.splitlines() if "\t" in line]
    return Evaluation(split, options, command, seconds, {name: _number(value) for name, _, value in fields})


def _number(printed: str) -> float | None:
    if not printed:
        return None
    return int(printed) if printed.isdecimal() else float(printed)

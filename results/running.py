"""Recipes run as a person runs them: the command `weft` in processes of its own, timed."""

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
class Workplace:
    """Where commands start, where results are kept, and how `weft` is started.

    Runs lie in `runs/results` of the folder that commands start in, and stay there.
    """

    start: Path = ROOT
    results: Path = RESULTS
    weft: Sequence[str] = (sys.executable, "-m", "weft")

    def run_folder(self, name: str) -> Path:
        """The run folder of a result, from where commands start."""
        return Path("runs", "results", name)

    def timed(self, arguments: Sequence[str]) -> tuple[str, float, str]:
        """The command as a person types it, the seconds it took and its standard output, which is shown as well.

        Raises InputError when it fails.
        """
        typed = shlex.join(["weft", *arguments])
        print(f"$ {typed}", flush=True)
        began = time.perf_counter()
        ended = subprocess.run([*self.weft, *arguments], cwd=self.start, stdout=subprocess.PIPE, text=True)
        seconds = time.perf_counter() - began
        print(ended.stdout, end="", flush=True)
        if ended.returncode:
            raise InputError(f"`{typed}` ended with exit code {ended.returncode}; nothing is recorded")
        return typed, round(seconds, 2), ended.stdout

    def accepts(self, arguments: Sequence[str]) -> str:
        """Why `weft` does not know these options; empty if it does. Nothing is done."""
        asked = subprocess.run([*self.weft, *arguments, "--help"], cwd=self.start, capture_output=True, text=True)
        return asked.stderr.strip() if asked.returncode else ""


def run_recipes(names: Sequence[str], changed: Mapping[str, str], place: Workplace) -> Iterator[Result]:
    """Run recipes one after another; each is recorded, and yielded, when it and its evaluations have ended.

    changed: settings other than the recipes', which may be any of WITHIN_TOLERANCE. Raises InputError, before anything
    is run, for what cannot be.
    """
    for setting in changed:
        if setting not in WITHIN_TOLERANCE:
            raise InputError(
                f"{setting} would make of a recipe another one; what can be changed is {', '.join(WITHIN_TOLERANCE)}"
            )
    recipes = [find_recipe(name) for name in names]
    for recipe in recipes:
        _check(recipe, place)
    earlier: dict[str, float] = {}
    for recipe in recipes:
        result = _run(recipe, changed, dict(earlier), place)
        earlier[result.name] = result.seconds
        yield result


def evaluate_again(name: str, place: Workplace) -> Result:
    """The result `name` with its evaluations done again, by the run that it is of and the variants of now.

    Raises InputError where that run is not there any more, and where the recipe has other settings by now.
    """
    kept = place.results / name
    result, run = read_result(kept), place.run_folder(name)
    recipe = find_recipe(result.recipe)
    _check(recipe, place)
    if settings := settings_changed_since(kept, recipe):
        raise InputError(f"recipe {recipe.name} has other settings by now ({', '.join(settings)}): run it again")
    for file in (CONFIG, METRICS):
        there = place.start / run / file
        if not there.exists() or there.read_bytes() != (kept / file).read_bytes():
            raise InputError(f"{run} is not the run that gave the result {name}: run the recipe again")
    _check_machine(result)
    evaluations = _evaluations(recipe, run, place)
    reached = _reached(recipe, place.start / run, evaluations)
    result = replace(result, measure=recipe.measure, reached=reached, evaluations=evaluations)
    write_result(place.results, result, recipe, place.start / run)
    return result


def _check_machine(result: Result) -> None:
    here = description()
    for key in ("processor", "cores"):
        if here[key] != result.machine[key]:
            raise InputError(
                f"the result {result.name} is of another machine, {key} {result.machine[key]}, here {here[key]}: "
                "run the recipe again"
            )


def _check(recipe: Recipe, place: Workplace) -> None:
    """Raise InputError for what would end the run late, or be counted as time of it."""
    for text in recipe.settings.get("data", ()):
        # As everywhere, a file or folder of that name goes before the corpus.
        if named_corpus(text) and not (place.start / text).exists() and locate(text) is None:
            raise InputError(
                f"recipe {recipe.name} needs the corpus {text}, which is not here; fetch it, so that the fetching is "
                f"not counted: weft data {text}"
            )
    for variant in recipe.variants:
        if why_not := place.accepts(["eval", *variant.options]):
            raise InputError(f"recipe {recipe.name}, variant {variant.name!r}: {why_not}")


def _run(recipe: Recipe, changed: Mapping[str, str], earlier: Mapping[str, float], place: Workplace) -> Result:
    run = place.run_folder(result_name(recipe.name, changed))
    overwrite = ["--overwrite"] if (place.start / run / CONFIG).exists() else []
    flags = [part for setting, value in changed.items() for part in (f"--{setting.replace('_', '-')}", value)]
    command, seconds, _ = place.timed(["train", "--recipe", recipe.name, "--out", run.as_posix(), *overwrite, *flags])
    evaluations = _evaluations(recipe, run, place)
    result = Result(
        recipe=recipe.name,
        changed=dict(changed),
        measure=recipe.measure,
        reached=_reached(recipe, place.start / run, evaluations),
        command=command,
        seconds=seconds,
        training_seconds=round(sum(epoch.seconds for epoch in read_metrics(place.start / run / METRICS)), 2),
        earlier=earlier,
        evaluations=evaluations,
        machine=description(),
    )
    write_result(place.results, result, recipe, place.start / run)
    return result


def _reached(recipe: Recipe, run: Path, evaluations: Sequence[Evaluation]) -> float:
    if recipe.measure == TRAINING_PERPLEXITY:
        *_, last = read_metrics(run / METRICS)
        if last.train_perplexity is None:
            raise InputError(f"{run} ended with a training perplexity that is no finite number; nothing is recorded")
        return last.train_perplexity
    of_test = [evaluation for evaluation in evaluations if evaluation.split == "test"]
    if not of_test:
        raise InputError(f"recipe {recipe.name} is measured by its {recipe.measure}, but has no test text")
    return value_of(recipe.measure, of_test[0])


def _evaluations(recipe: Recipe, run: Path, place: Workplace) -> list[Evaluation]:
    """Of the validation and the test text, where there are such, plain and by every variant."""
    splits = [split for split in HELD_OUT if tokens_path(place.start / run, split).exists()]
    ways = [(), *(variant.options for variant in recipe.variants)]
    return [_evaluate(run, split, options, place) for options in ways for split in splits]


def _evaluate(run: Path, split: str, options: tuple[str, ...], place: Workplace) -> Evaluation:
    command, seconds, printed = place.timed(["eval", "--run", run.as_posix(), "--split", split, *options])
    fields = [line.partition("\t") for line in printed.splitlines() if "\t" in line]
    return Evaluation(split, options, command, seconds, {name: _number(value) for name, _, value in fields})


def _number(printed: str) -> float | None:
    if not printed:
        return None
    return int(printed) if printed.isdecimal() else float(printed)

"""Tables of results: a short one for the README, written by `python -m results table`, and a full one for the site."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.pages import markdown
from benchmarks.readme import with_section
from results import ROOT
from results.record import RECORD, Result, read_results, settings_changed_since, value_of
from weft.errors import InputError
from weft.runs.recipes import Recipe, Variant, duration, find_recipe, recipe_names

README = ROOT / "README.md"
BEGIN, END = "<!-- results: begin; `python -m results table` writes them -->", "<!-- results: end -->"
SHORT_HEADER = ["recipe", "what it is", "measure", "expected", "reached", "time"]
HEADER = [*SHORT_HEADER, "machine"]
NOT_RUN = ["**not yet run**", "", ""]


def with_results(readme: str, results: Path) -> str:
    """The README with the short table between the markers. Raises InputError unless each marker occurs exactly once."""
    return with_section(readme, BEGIN, short_table(results), END)


def short_table(results: Path) -> str:
    """One row per recipe: without results of changed settings, variants and the machine."""
    unchanged = [(name, result) for name, result in _runs(results) if not (result and result.changed)]
    rows = [next(_rows(find_recipe(name), result, results)) for name, result in unchanged]
    return markdown([SHORT_HEADER, *(row[:-1] for row in rows)])


def table(results: Path) -> str:
    """One row per recipe and per result with changed settings, each followed by rows for its variants."""
    rows = [row for name, result in _runs(results) for row in _rows(find_recipe(name), result, results)]
    return markdown([HEADER, *rows])


def _runs(results: Path) -> Iterator[tuple[str, Result | None]]:
    """Recipe names with their results, the result with unchanged settings first, or None if there is none."""
    by_recipe: dict[str, list[Result]] = {name: [] for name in recipe_names()}
    for result in read_results(results):
        if result.recipe not in by_recipe:
            raise InputError(f"{results / result.name / RECORD} belongs to an unknown recipe: {result.recipe}")
        by_recipe[result.recipe].append(result)
    for name, found in by_recipe.items():
        if all(result.changed for result in found):  # no result with unchanged settings
            yield name, None
        yield from ((name, result) for result in found)


def _rows(recipe: Recipe, result: Result | None, results: Path) -> Iterator[list[str]]:
    changed = dict(result.changed) if result else {}
    description = ", ".join([recipe.about, *(f"{name} {value}" for name, value in changed.items())])
    stale = settings_changed_since(results / result.name, recipe) if result else []
    outcome = _outcome(recipe, result, stale) if result else NOT_RUN
    expected = f"{recipe.expected:g} ± {recipe.tolerance:g}"
    yield [_linked(recipe, result), description, recipe.measure, expected, *outcome]
    for variant in recipe.variants:
        options = f"`weft eval {' '.join(variant.options)}`"
        outcome = _variant_outcome(recipe, variant, result, stale) if result else NOT_RUN
        yield [f"… {variant.name}", options, recipe.measure, variant.result, *outcome]


def _linked(recipe: Recipe, result: Result | None) -> str:
    return f"[{result.name}](results/{result.name})" if result else f"[{recipe.name}](recipes/{recipe.name}.toml)"


def _outcome(recipe: Recipe, result: Result, stale: list[str]) -> list[str]:
    comparison = recipe.compared(result.reached)
    if stale:
        comparison = f"**out of date: settings of the recipe have changed ({', '.join(stale)})**"
    elif result.measure != recipe.measure:
        comparison = f"**{result.measure}: the recipe's measure has changed**"
    earlier = [f"; {name} in the same session: {duration(seconds / 60)}" for name, seconds in result.earlier.items()]
    return [_figure(result.reached, comparison), "".join([duration(result.seconds / 60), *earlier]), _machine(result)]


def _variant_outcome(recipe: Recipe, variant: Variant, result: Result, stale: list[str]) -> list[str]:
    evaluation = result.evaluation("test", variant.options)
    if evaluation is None:
        return NOT_RUN
    reached = value_of(recipe.measure, evaluation)
    comparison = "**out of date: settings of the recipe have changed**" if stale else variant.compared(reached)
    return [_figure(reached, comparison), duration(evaluation.seconds / 60), _machine(result)]


def _figure(reached: float, comparison: str) -> str:
    return f"{reached:.5g}, {f'**{comparison}**' if comparison.startswith('worse') else comparison}"


def _machine(result: Result) -> str:
    cores = result.machine["cores"]
    return f"{result.machine['processor']}, {cores} core{'s' * (cores != 1)}"

"""Tables of results: a short one in the README, written by `python -m results table`, and all of them for the site."""

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
    """The README with the short table between the marks; raises InputError when it has not one of each."""
    return with_section(readme, BEGIN, short_table(results), END)


def short_table(results: Path) -> str:
    """A row for each recipe as it is: no changed settings, no other ways of evaluation, no machine."""
    unchanged = [(name, result) for name, result in _runs(results) if not (result and result.changed)]
    rows = [next(_rows(find_recipe(name), result, results)) for name, result in unchanged]
    return markdown([SHORT_HEADER, *(row[:-1] for row in rows)])


def table(results: Path) -> str:
    """A row for each recipe, for each time it was run with some settings changed, and for each variant of each."""
    rows = [row for name, result in _runs(results) for row in _rows(find_recipe(name), result, results)]
    return markdown([HEADER, *rows])


def _runs(results: Path) -> Iterator[tuple[str, Result | None]]:
    """Every recipe's name with each of its results, the unchanged one first; None where there is no such result."""
    of_recipe: dict[str, list[Result]] = {name: [] for name in recipe_names()}
    for result in read_results(results):
        if result.recipe not in of_recipe:
            raise InputError(f"{results / result.name / RECORD} is of a recipe that is not there: {result.recipe}")
        of_recipe[result.recipe].append(result)
    for name, found in of_recipe.items():
        if all(result.changed for result in found):  # not run as it is
            yield name, None
        yield from ((name, result) for result in found)


def _rows(recipe: Recipe, result: Result | None, results: Path) -> Iterator[list[str]]:
    changed = dict(result.changed) if result else {}
    what = ", ".join([recipe.about, *(f"{name} {value}" for name, value in changed.items())])
    stale = settings_changed_since(results / result.name, recipe) if result else []
    outcome = _outcome(recipe, result, stale) if result else NOT_RUN
    yield [_linked(recipe, result), what, recipe.measure, f"{recipe.expected:g} ± {recipe.tolerance:g}", *outcome]
    for variant in recipe.variants:
        options = f"`weft eval {' '.join(variant.options)}`"
        outcome = _variant_outcome(recipe, variant, result, stale) if result else NOT_RUN
        yield [f"… {variant.name}", options, recipe.measure, variant.result, *outcome]


def _linked(recipe: Recipe, result: Result | None) -> str:
    return f"[{result.name}](results/{result.name})" if result else f"[{recipe.name}](recipes/{recipe.name}.toml)"


def _outcome(recipe: Recipe, result: Result, stale: list[str]) -> list[str]:
    how = recipe.compared(result.reached)
    if stale:
        how = f"**with other settings than the recipe's of now ({', '.join(stale)})**"
    elif result.measure != recipe.measure:
        how = f"**{result.measure}, which is not the recipe's measure of now**"
    earlier = [f"; {name} right before it: {duration(seconds / 60)}" for name, seconds in result.earlier.items()]
    return [_figure(result.reached, how), "".join([duration(result.seconds / 60), *earlier]), _machine(result)]


def _variant_outcome(recipe: Recipe, variant: Variant, result: Result, stale: list[str]) -> list[str]:
    evaluation = result.evaluation("test", variant.options)
    if evaluation is None:
        return NOT_RUN
    reached = value_of(recipe.measure, evaluation)
    how = "**after other settings than the recipe's of now**" if stale else variant.compared(reached)
    return [_figure(reached, how), duration(evaluation.seconds / 60), _machine(result)]


def _figure(reached: float, how: str) -> str:
    return f"{reached:.5g}, {f'**{how}**' if how.startswith('worse') else how}"


def _machine(result: Result) -> str:
    cores = result.machine["cores"]
    return f"{result.machine['processor']}, {cores} core{'s' * (cores != 1)}"

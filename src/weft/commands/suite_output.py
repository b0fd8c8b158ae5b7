"""The output of `weft syntaxgym`: rows of predictions, items and regions, a table, and the plot of accuracies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from weft.commands.accuracies import COLUMNS, field, fields, in_percent, point
from weft.presentation.tables import Column, Row, write_drawn
from weft.stimuli.accuracy import Accuracy
from weft.stimuli.syntaxgym import EvaluatedSuite
from weft.visualization.accuracy_plot import AccuracyPlot

OF_PREDICTIONS = ("model", "suite", "prediction_id", "formula", "items", "correct", *COLUMNS)
OF_ITEMS = ("model", "suite", "item_number", "prediction_id", "result")
OF_REGIONS = ("model", "suite", "item_number", "condition_name", "region_number", "content")
"""Then one column for each metric, and oovs."""


def _predictions(result: EvaluatedSuite) -> Iterator[tuple[str, str, Accuracy]]:
    """Name, formula and accuracy of each prediction, and of all together if there are several."""
    for number, formula in enumerate(result.suite.formulas):
        yield str(number), formula.text, result.accuracy(number)
    if result.suite.formulas:
        yield "all", "", result.accuracy()


def result_rows(results: Sequence[EvaluatedSuite], kind: str) -> Iterator[Sequence[str]]:
    """The header and the rows. kind: "predictions", "items" or "regions"."""
    if kind == "predictions":
        yield OF_PREDICTIONS
        for result in results:
            for name, formula, accuracy in _predictions(result):
                values = [name, formula, accuracy.total, accuracy.correct, *fields(accuracy)]
                yield [result.model, result.suite.name, *map(field, values)]
    elif kind == "items":
        yield OF_ITEMS
        for result in results:
            for item in result.items:
                for number, holds in enumerate(item.holds):
                    values = [result.model, result.suite.name, item.item.item_number, number, holds]
                    yield [*map(field, values)]
    else:
        metrics = list(dict.fromkeys(metric for result in results for metric in result.suite.metrics))
        yield [*OF_REGIONS, *(f"{metric}_bits" for metric in metrics), "oovs"]
        for result in results:
            yield from _regions(result, metrics)


def _regions(result: EvaluatedSuite, metrics: Sequence[str]) -> Iterator[list[str]]:
    for item in result.items:
        for condition in item.item.conditions:
            for region in condition.regions:
                found = item.values[condition.condition_name, region.region_number]
                values: list[Any] = [result.model, result.suite.name, item.item.item_number, condition.condition_name]
                values += [region.region_number, region.content, *(found.metrics.get(metric) for metric in metrics)]
                yield [*map(field, values), " ".join(found.oovs)]


def draw_table(results: Sequence[EvaluatedSuite], models: Sequence[str]) -> None:
    """A table of accuracies: a row for each prediction, or for all of a suite with one, and a column for each model."""
    columns = [Column("suite", label=True), Column("prediction"), Column("items", numbers=True)]
    columns += [Column(model, numbers=True) for model in models]
    by_suite = _by_suite(results, models)
    rows = []
    for group in by_suite:
        listed = list(zip(*map(_predictions, group), strict=True))
        listed = listed if len(listed) > 2 else listed[-1:]
        if not listed:
            rows.append(Row([group[0].suite.name, "none", str(len(group[0].items)), *[""] * len(models)]))
        for number, each in enumerate(listed, start=1):
            name = group[0].suite.name if number == 1 else ""
            shares = [in_percent(accuracy) for _, _, accuracy in each]
            rows.append(Row([name, each[0][0], str(each[0][2].total), *shares], ends_section=number == len(listed)))
    if len(by_suite) > 1:
        means = [_mean_share([group[number] for group in by_suite]) for number in range(len(models))]
        shares = ["" if mean is None else f"{100 * mean:.1f}%" for mean in means]
        rows.append(Row([f"mean of {len(by_suite)} suites", "all", "", *shares]))
    write_drawn(columns, rows)


def _by_suite(results: Sequence[EvaluatedSuite], models: Sequence[str]) -> list[list[EvaluatedSuite]]:
    """For each suite the results of all models."""
    suites = len(results) // len(models)
    return [list(results[number::suites]) for number in range(suites)]


def _mean_share(results: Sequence[EvaluatedSuite]) -> float | None:
    """The mean over suites of the accuracy of all their predictions; None without predictions."""
    shares = [result.accuracy().share or 0.0 for result in results if result.suite.formulas]
    return sum(shares) / len(shares) if shares else None


def accuracy_plot(results: Sequence[EvaluatedSuite], models: Sequence[str]) -> AccuracyPlot:
    """The accuracy of all predictions of each suite, for each model."""
    by_suite = [group for group in _by_suite(results, models) if group[0].suite.formulas]
    points = {model: [point(group[number].accuracy()) for group in by_suite] for number, model in enumerate(models)}
    means = {model: _mean_share([group[number] for group in by_suite]) or 0.0 for number, model in enumerate(models)}
    best = max(means, key=lambda model: means[model])
    where = f"on average over {len(by_suite)} suites" if len(by_suite) != 1 else f"of {by_suite[0][0].suite.name}"
    first = f"{best} is right most often: predictions" if len(models) > 1 else f"Under {best}, predictions"
    title = f"{first} hold for {100 * means[best]:.0f}% of items {where}"
    names = [group[0].suite.name for group in by_suite]
    return AccuracyPlot(title, "items for which all predictions hold", names, points)

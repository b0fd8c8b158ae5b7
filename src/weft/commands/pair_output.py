"""The output of `weft pairs`: rows for each pair or for each condition, tables, and the plot of accuracies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

from weft.commands.accuracies import COLUMNS, bounds, field, fields, in_percent, interval_in_percent, point
from weft.presentation.escapes import printable
from weft.presentation.records import json_text
from weft.presentation.streams import write, write_rows
from weft.presentation.tables import Column, Row, write_drawn
from weft.stimuli.pairs import ComparedPair, Tallies, Tally
from weft.visualization.accuracy_plot import AccuracyPlot

OF_CONDITIONS = (
    "model", "condition", "value", "pairs", "correct", "ties", "undefined", *COLUMNS, "mean_difference_bits",
    "mean_difference_low_bits", "mean_difference_high_bits", "known_pairs", *(f"known_{name}" for name in COLUMNS),
)  # fmt: skip
OF_PAIRS = ("good_bits", "bad_bits", "difference_bits", "correct", "good_oov", "bad_oov", "good", "bad")
"""After the model, the number of the pair and its conditions."""


class PairOutput:
    """Writes one row for each pair, as they come, or for each condition at the end."""

    def __init__(self, format: str, rows: str, by: Sequence[str], several: bool) -> None:
        self._format, self._of_pairs, self._by, self._several = format, rows == "pairs", by, several
        self._header = ["model", "pair", *by, *OF_PAIRS]
        self._begun = False

    def pairs(self, model: str, compared: Iterator[ComparedPair]) -> None:
        """Read all pairs, and write their rows if they are wanted."""
        if self._of_pairs and self._format == "table":
            self._draw_pairs(model, compared)
            return
        for number, each in zip(count(), compared, strict=False):
            if self._of_pairs:
                self._write(self._header, [model, number, *self._values(each)])

    def _values(self, each: ComparedPair) -> list[Any]:
        conditions = [each.pair.conditions.get(name, "") for name in self._by]
        oovs = (" ".join(each.good_oov), " ".join(each.bad_oov))
        bits = (each.good_bits, each.bad_bits, each.difference_bits)
        return [*conditions, *bits, each.correct, *oovs, each.pair.good, each.pair.bad]

    def conditions(self, results: dict[str, Tallies]) -> None:
        """Write the rows of conditions, unless those of pairs are wanted."""
        if self._of_pairs:
            if not self._begun and self._format == "tsv":
                write_rows(self._header)
            return
        if self._format == "table":
            self._draw_conditions(results)
            return
        if self._format == "tsv" and not self._begun:
            write_rows(OF_CONDITIONS)
            self._begun = True
        for model, tallies in results.items():
            for condition, value, tally in _conditions(tallies):
                self._write(OF_CONDITIONS, [model, condition, value, *_of_condition(tally)])

    def _write(self, header: Any, values: list[Any]) -> None:
        if self._format == "jsonl":
            write(json_text(dict(zip(header, map(_in_json, values), strict=True))) + "\n")
            return
        if not self._begun:
            write_rows(header)
            self._begun = True
        write_rows([field(value) for value in values])

    def _draw_pairs(self, model: str, compared: Iterator[ComparedPair]) -> None:
        names = ["pair", *self._by, *(name for name in OF_PAIRS if not name.endswith("_oov"))]
        numbers = {"pair", "good_bits", "bad_bits", "difference_bits"}
        columns = [Column(name, numbers=name in numbers, label=name == "pair") for name in names]
        rows = []
        for number, each in zip(count(), compared, strict=False):
            conditions = [printable(each.pair.conditions.get(name, "")) for name in self._by]
            bits = ["" if b is None else f"{b:.2f}" for b in (each.good_bits, each.bad_bits, each.difference_bits)]
            correct = "" if each.correct is None else "yes" if each.correct else "no"
            fields = [str(number), *conditions, *bits, correct, each.pair.good, each.pair.bad]
            rows.append(Row(fields, "italic" if each.oov else ""))
        write_drawn(columns, rows, model if self._several else "")

    def _draw_conditions(self, results: dict[str, Tallies]) -> None:
        columns = [
            Column("model", label=True), Column("condition", label=True), Column("pairs", numbers=True),
            Column("accuracy", numbers=True), Column("95% interval", numbers=True),
            Column("difference in bits", numbers=True), Column("95% interval", numbers=True),
            Column("pairs without unknown", numbers=True), Column("accuracy of those", numbers=True),
        ]  # fmt: skip
        rows = []
        for model, tallies in results.items():
            found = list(_conditions(tallies))
            for number, (condition, value, tally) in enumerate(found, start=1):
                name = "all" if condition == "all" else f"{condition}={value}"
                fields = [model, printable(name), *_for_people(tally)]
                rows.append(Row(fields, ends_section=condition == "all" or number == len(found)))
        if not self._several:
            columns, rows = columns[1:], [Row(row.fields[1:], ends_section=row.ends_section) for row in rows]
        write_drawn(columns, rows)


def _conditions(tallies: Tallies) -> Iterator[tuple[str, str, Tally]]:
    """Condition, value and tally, all pairs first; values that are numbers in their order."""
    yield "all", "", tallies.all
    for name, found in tallies.by.items():
        are_numbers = all(value.isascii() and value.isdigit() and len(value) < 16 for value in found)
        for value in sorted(found, key=int) if are_numbers else sorted(found):
            yield name, value, found[value]


def _of_condition(tally: Tally) -> list[Any]:
    return [
        tally.accuracy.total, tally.correct, tally.ties, tally.undefined, *fields(tally.accuracy),
        tally.mean_difference_bits, *bounds(tally.difference_interval()), tally.known, *fields(tally.accuracy_known),
    ]  # fmt: skip


def _for_people(tally: Tally) -> list[str]:
    mean, interval = tally.mean_difference_bits, tally.difference_interval()
    return [
        f"{tally.accuracy.total:,}", in_percent(tally.accuracy), interval_in_percent(tally.accuracy),
        "" if mean is None else f"{mean:.2f}", "" if interval is None else " to ".join(f"{b:.2f}" for b in interval),
        f"{tally.known:,}", in_percent(tally.accuracy_known),
    ]  # fmt: skip


def _in_json(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return round(value, 6) if abs(value) < float("inf") else None


def accuracy_plot(results: dict[str, Tallies]) -> AccuracyPlot:
    """The accuracy of all pairs and of each value of each condition, for each model."""
    rows = list(
        dict.fromkeys(
            (condition, value) for tallies in results.values() for condition, value, _ in _conditions(tallies)
        )
    )
    points = {}
    for model, tallies in results.items():
        found = {(condition, value): tally for condition, value, tally in _conditions(tallies)}
        points[model] = [point(found[row].accuracy) if row in found else None for row in rows]
    best = max(results, key=lambda model: results[model].all.accuracy.share or 0.0)
    accuracy = results[best].all.accuracy
    most = f"{best} is right most often: it" if len(results) > 1 else best
    title = f"{most} prefers the right sentence in {in_percent(accuracy) or '0%'} of {accuracy.total:,} pairs"
    names = ["all pairs" if condition == "all" else f"{condition} = {value}" for condition, value in rows]
    return AccuracyPlot(title, "correct pairs", names, points, 0.5)

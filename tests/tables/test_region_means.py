"""Means by region and condition: textbook values of Student's t, means by hand, the order of regions, refusals."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import pytest

from weft.errors import InputError
from weft.tables.region_means import Study, StudyColumns, critical_t, mean_over_items
from weft.tables.region_plot import draw_study, region_figure, save_figure

TEXTBOOK = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 10: 2.228, 23: 2.069, 30: 2.042, 120: 1.980}
COLUMNS = StudyColumns(condition="condition", item="item")


def rows(**changes: Any) -> list[dict[str, Any]]:
    return [
        {
            "item": item, "condition": condition, "region": region, "region_number": number,
            "words": f"{region} {item}", "surprisal_sum_bits": float(item * number + (condition == "b")), "model": "m",
        } | changes
        for item in (1, 2, 3) for condition in "ab" for number, region in ((2, "verb"), (1, "noun"))
    ]  # fmt: skip


def study(table: list[dict[str, Any]], columns: StudyColumns = COLUMNS) -> Study:
    made = Study(columns)
    made.add(table, list(table[0]))
    return made


def mean_lines(axes: Any) -> list[Any]:
    """The line of the means of each condition."""
    return [container.lines[0] for container in axes.containers]


@pytest.mark.parametrize("degrees", TEXTBOOK)
def test_critical_values_are_those_of_textbooks(degrees: int) -> None:
    assert critical_t(degrees) == pytest.approx(TEXTBOOK[degrees], abs=6e-4)


def test_an_interval_is_t_times_the_standard_error() -> None:
    mean = mean_over_items([1.0, 2.0, 6.0])
    assert (mean.mean, mean.items) == (3.0, 3)
    assert mean.half_width == pytest.approx(4.30265 * statistics.stdev([1, 2, 6]) / 3**0.5, rel=1e-5)
    assert mean_over_items([2.0]).half_width is None


def test_an_item_counts_once_however_often_it_was_measured() -> None:
    table = rows()
    extra = {**table[0], "surprisal_sum_bits": 6.0}  # item 1, condition a, verb: 2 and 6
    mean = study([*table, extra]).mean("", "a", "verb")
    assert mean is not None
    assert mean.mean == pytest.approx((4 + 4 + 6) / 3)
    assert mean.items == 3


def test_regions_are_in_the_order_of_their_numbers() -> None:
    assert study(rows()).regions == ["noun", "verb"]
    assert study([{k: v for k, v in row.items() if k != "region_number"} for row in rows()]).regions == ["verb", "noun"]
    assert study([{"region": str(n), "surprisal_bits": 1} for n in (10, 9)], StudyColumns()).regions == ["9", "10"]


def test_undefined_values_are_left_out_and_counted() -> None:
    table = rows()
    for value in ("NA", "", None, float("nan")):
        found = study([*table, {**table[0], "surprisal_sum_bits": value}])
        mean = found.mean("", "a", "verb")
        assert (found.undefined, mean and mean.mean) == (1, 4.0)


@pytest.mark.parametrize(
    ("table", "columns", "said"),
    [
        (rows(), StudyColumns(condition="conditoin"), 'did you mean "condition"'),
        (rows(surprisal_sum_bits="x"), COLUMNS, "should be a number, got 'x'"),
        ([{"region": "a"}], StudyColumns(), "there is no column 'surprisal_sum_bits'"),
    ],
)  # fmt: skip
def test_tables_without_the_columns_are_refused(table: Any, columns: StudyColumns, said: str) -> None:
    with pytest.raises(InputError, match=said):
        study(table, columns)


def test_a_picture_shows_every_mean_and_the_words_of_each_condition() -> None:
    figure = region_figure({"LSTM": rows(), "GRU": rows()}, COLUMNS, title="costs $5")
    panels = figure.axes
    assert [axes.get_title(loc="left") for axes in panels] == ["LSTM", "GRU"]
    for axes in panels:
        lines = mean_lines(axes)
        assert [list(line.get_ydata()) for line in lines] == [[2.0, 4.0], [3.0, 5.0]]  # noun, verb; a, b
        assert len({(line.get_marker(), line.get_color()) for line in lines}) == 2
    texts = [text.get_text() for text in panels[-1].texts]
    assert texts == [
        "noun 1", "verb 1", "a", "noun 1", "verb 1", "b", "means and 95% intervals over 3 items; words of item 1",
    ]  # fmt: skip


def test_frames_are_drawn_as_rows_are() -> None:
    for name in ("pandas", "polars"):
        library = pytest.importorskip(name)
        figure = region_figure(library.DataFrame(rows()), condition="condition", item="item")
        assert [list(line.get_ydata()) for line in mean_lines(figure.axes[0])] == [[2.0, 4.0], [3.0, 5.0]]


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_a_picture_is_160_mm_wide_and_the_same_each_time(ending: str, tmp_path: Path) -> None:
    contents = []
    for name in ("one", "two"):
        figure, notes = draw_study(study(rows()))
        assert figure.get_size_inches()[0] == pytest.approx(160 / 25.4)
        save_figure(figure, tmp_path / f"{name}.{ending}")
        contents.append((tmp_path / f"{name}.{ending}").read_bytes())
    assert contents[0] == contents[1]
    assert notes == []


def test_odd_texts_and_many_conditions_are_drawn(tmp_path: Path) -> None:
    table = [
        {"region": f"$r{n}_", "c": f"condition number {c} {{x}}", "words": "internationalized" * 2, "surprisal_bits": n}
        for n in range(12) for c in range(9)
    ]  # fmt: skip
    figure, notes = draw_study(study(table, StudyColumns(condition="c")), title="$\\frac")
    save_figure(figure, tmp_path / "odd.png")
    assert notes == ["some means are of one item alone and have no interval"]
    with pytest.raises(InputError, match=r"ends in \.png"):
        save_figure(figure, tmp_path / "odd.jpg")
    with pytest.raises(InputError, match="at most 40"):
        draw_study(study([{"region": str(n), "surprisal_bits": 1} for n in range(41)], StudyColumns()))

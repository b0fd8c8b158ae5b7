"""The plot of accuracies: points and intervals where they belong, any names, and a picture without rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from weft.visualization.accuracy_plot import MOST_ROWS, AccuracyPlot, Point

POINTS: dict[str, list[Point | None]] = {
    "lstm": [Point(0.5, 0.25, 0.8), None],
    "$gru$": [Point(1.0, 0.7, 1.0), Point(0.0, 0.0, 0.3)],
}


def test_points_and_intervals_are_in_per_cent_and_models_differ_by_marker() -> None:
    figure = AccuracyPlot("A title", "correct pairs", ["one", "two"], POINTS, 0.5)._figure(set())
    (axes,) = figure.axes
    first, second = axes.containers
    assert first.lines[0].get_xdata().tolist() == [50.0]
    assert second.lines[0].get_xdata().tolist() == [100.0, 0.0]
    ((start, end),) = first.lines[2][0].get_segments()
    assert (start[0], end[0]) == pytest.approx((25, 80))
    assert first.lines[0].get_marker() != second.lines[0].get_marker()
    assert abs(first.lines[0].get_ydata()[0] - second.lines[0].get_ydata()[0]) > 0.1
    assert [label.get_text() for label in axes.get_yticklabels()] == ["one", "two"]
    assert axes.get_xlabel() == "correct pairs (%); lines: 95% intervals (Wilson)"


def test_any_names_are_drawn_and_the_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "plot.png"
    path.write_bytes(b"old")
    names = ["$x_1$", "我们\x1b[31m" * 20]
    assert (
        AccuracyPlot("我们 $\\frac$ \x1b" * 9, "items", names, {name: [None, Point(0.1, 0, 1)] for name in names}).draw(
            path
        )
        == []
    )
    assert path.read_bytes().startswith(b"\x89PNG")
    assert [entry.name for entry in tmp_path.iterdir()] == ["plot.png"]


def test_a_picture_can_be_empty_or_has_the_first_rows(tmp_path: Path) -> None:
    path = tmp_path / "plot.png"
    assert AccuracyPlot("nothing", "items", [], {"lstm": []}).draw(path) == []
    names = [f"suite {number}" for number in range(MOST_ROWS + 5)]
    plot = AccuracyPlot("many", "items", names, {"lstm": [Point(0.5, 0.4, 0.6)] * len(names)})
    assert plot.draw(path) == ["the picture shows the first 100 of 105 rows"]

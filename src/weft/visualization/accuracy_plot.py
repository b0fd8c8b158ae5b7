"""A plot of accuracies: one row for each test, one point for each model with its 95% interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any

from weft.files import replace_atomically
from weft.presentation.escapes import printable
from weft.presentation.palette import GRID, INK, PAPER, SERIES
from weft.visualization.fonts import drawable, families_for

MARKERS = ("o", "s", "^", "D", "v", "P")
MOST_ROWS = 100
"""More are not readable in one picture."""
LONGEST_LABEL, TITLE_CHARACTERS = 40, 80
WIDTH_INCHES = 160 / 25.4
ROW_INCHES, POINT_INCHES, AROUND_INCHES = 0.12, 0.12, 1.15
DPI = 200
FONT_POINTS = 9


@dataclass(frozen=True)
class Point:
    """An accuracy from 0 to 1 with its interval."""

    share: float
    low: float
    high: float


@dataclass(frozen=True)
class AccuracyPlot:
    """What is drawn.

    title   what the picture shows, in a sentence
    axis    what is counted, for the axis in per cent
    rows    names of the tests, from the top
    points  for each model, by name, a point or None for each row
    chance  the accuracy by chance, if it is known
    """

    title: str
    axis: str
    rows: Sequence[str]
    points: Mapping[str, Sequence[Point | None]]
    chance: float | None = None

    def draw(self, path: Path) -> list[str]:
        """Draw the PNG at `path`, which is replaced atomically; returns notes on what is missing, a sentence each."""
        from matplotlib import rc_context

        texts = (self.title, *self.rows, *self.points)
        families, lacking = families_for({character for text in texts for character in printable(text)})
        with rc_context({"font.family": families, "font.size": FONT_POINTS}):
            figure = self._figure(lacking)
            with replace_atomically(path) as file:
                figure.savefig(file, format="png", facecolor=PAPER)
        left_out = len(self.rows) - MOST_ROWS
        return [f"the picture shows the first {MOST_ROWS} of {len(self.rows):,} rows"] if left_out > 0 else []

    def _figure(self, lacking: set[str]) -> Any:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        rows = [_label(row, lacking) for row in self.rows[:MOST_ROWS]]
        height = AROUND_INCHES + len(rows) * (ROW_INCHES + POINT_INCHES * len(self.points))
        figure = Figure(figsize=(WIDTH_INCHES, height), dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)  # needs no display, and does not change the backend of the program
        axes = figure.add_subplot()
        self._draw_points(axes, len(rows), lacking)
        if self.chance is not None:
            axes.axvline(100 * self.chance, color=INK, linewidth=0.8, linestyle=":", zorder=1)
            axes.annotate(
                "chance",
                (100 * self.chance, 1),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                xytext=(0, 2),
                ha="center",
                color=INK,
                fontsize=FONT_POINTS - 2,
            )
        axes.set_yticks(range(len(rows)), rows, parse_math=False)
        axes.set_ylim(max(1, len(rows)) - 0.5, -0.5)
        axes.set_xlim(-2, 102)
        axes.set_xlabel(f"{self.axis} (%); lines: 95% intervals (Wilson)", color=INK)
        axes.grid(axis="both", color=GRID, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.tick_params(length=0, colors=INK)
        for spine in axes.spines.values():
            spine.set_visible(False)
        title = fill(drawable(printable(self.title), lacking), TITLE_CHARACTERS)
        figure.suptitle(title, x=0.01, ha="left", color=INK, fontsize=FONT_POINTS + 1, parse_math=False)
        if len(self.points) > 1:
            legend = figure.legend(loc="outside lower center", ncols=3, frameon=False)
            for text in legend.get_texts():
                text.set_parse_math(False)
        return figure

    def _draw_points(self, axes: Any, rows: int, lacking: set[str]) -> None:
        distance = 0.7 / max(1, len(self.points))
        for number, (name, points) in enumerate(self.points.items()):
            offset = (number - (len(self.points) - 1) / 2) * distance
            placed = [(row + offset, point) for row, point in enumerate(points[:rows]) if point is not None]
            axes.errorbar(
                [100 * point.share for _, point in placed],
                [place for place, _ in placed],
                xerr=[
                    [100 * max(0.0, point.share - point.low) for _, point in placed],
                    [100 * max(0.0, point.high - point.share) for _, point in placed],
                ],
                fmt=MARKERS[number % len(MARKERS)],
                color=SERIES[number % len(SERIES)],
                markersize=4.5,
                elinewidth=1.2,
                label=_label(name, lacking),
                zorder=2,
            )


def _label(text: str, lacking: set[str]) -> str:
    label = drawable(printable(text), lacking)
    return label if len(label) <= LONGEST_LABEL else label[: LONGEST_LABEL - 1] + "…"

"""A picture of a study: the mean surprisal by region and condition with 95% intervals over items, a panel a model.

Under the axis are the words of one item, those of the conditions above each other. Conditions differ in colour, marker
and line, so that the picture can be read in black and white.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.errors import InputError
from weft.files import replace_atomically
from weft.presentation.palette import BLUE, GREEN, GRID, INK, ORANGE, PAPER, PURPLE, SKY_BLUE, VERMILION
from weft.tables.region_means import Study, StudyColumns
from weft.visualization.fonts import SUBSTITUTE, drawable, families_for

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MILLIMETRE = 1 / 25.4
WIDTH, PANEL_HEIGHT = 160, 52
"""Millimetres."""

FONT, SMALL = 9.0, 8.0
"""Points."""

DOTS_PER_INCH = 300
ENDINGS = (".png", ".svg", ".pdf")
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY_BLUE, INK)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)))
MOST_REGIONS = 40
_INK: dict[Any, Any] = {"axes.edgecolor": INK, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK}

Rows = Iterable[Mapping[str, Any]]


def region_figure(
    tables: Any, columns: StudyColumns | None = None, *, title: str | None = None, **names: str | None
) -> Figure:
    """A matplotlib figure of the mean of a score by region and condition, with 95% intervals over items.

    tables: a data frame of pandas or polars, or rows (mappings of names of columns to values); or several of these by
    the name of the model, {"LSTM": frame, …}, a panel each. columns, or names of it: see `StudyColumns`, for example
    condition="condition", item="item". Raises InputError for a column that is not there, a value that is no number, and
    more than MOST_REGIONS regions.
    """
    study = Study(columns or StudyColumns(**names))  # type: ignore[arg-type]
    for model, table in tables.items() if isinstance(tables, Mapping) else [("", tables)]:
        rows, known = _rows(table)
        study.add(rows, known, model)
    return draw_study(study, title)[0]


def check_picture(path: Path) -> None:
    """Raise InputError for a picture of an unknown kind."""
    if path.suffix.lower() not in ENDINGS:
        raise InputError(f"a picture ends in {', '.join(ENDINGS)}, got {path.name!r}")


def save_figure(figure: Figure, path: Path | str) -> None:
    """Replace the file at `path` by the figure, as PNG, SVG or PDF; the same bytes each time."""
    from matplotlib import rc_context

    path = Path(path)
    check_picture(path)
    kind = path.suffix.lower().removeprefix(".")
    metadata = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[kind]
    with rc_context({"svg.hashsalt": "weft", "pdf.fonttype": 42}), replace_atomically(path) as file:
        figure.savefig(file, format=kind, dpi=DOTS_PER_INCH, metadata=metadata)


def draw_study(study: Study, title: str | None = None) -> tuple[Figure, list[str]]:
    """The figure of a study, and notes for the user, a sentence each. Raises InputError if there is nothing to draw."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    regions = study.regions
    if not regions:
        raise InputError("there are no regions: no row has one")
    if len(regions) > MOST_REGIONS:
        raise InputError(f"there are {len(regions):,} regions, and a picture shows at most {MOST_REGIONS}")
    words = study.example()
    texts = [*regions, *study.conditions, *study.models, title or "", *(words[1].values() if words else ())]
    families, lacking = families_for({character for text in texts for character in text})
    with rc_context({"font.family": families, "font.size": FONT, "text.color": INK, **_INK}):
        figure = Figure(
            figsize=(WIDTH * MILLIMETRE, PANEL_HEIGHT * len(study.models) * MILLIMETRE),
            facecolor=PAPER,
            layout="constrained",
        )
        FigureCanvasAgg(figure)  # needs no display, and does not change the backend of the program
        _Drawing(study, figure, lacking).draw(title)
    return figure, list(_notes(study, lacking))


class _Drawing:
    """Draws a study into a figure. lacking: characters that no font has."""

    def __init__(self, study: Study, figure: Any, lacking: set[str]) -> None:
        self.study, self.figure, self.lacking = study, figure, lacking
        self.regions, self.conditions, self.models = study.regions, list(study.conditions), list(study.models)

    def draw(self, title: str | None) -> None:
        panels = self.figure.subplots(len(self.models), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
        for axes, model in zip(panels, self.models, strict=True):
            self._panel(axes, model)
        highest = max(axes.get_ylim()[1] for axes in panels)
        panels[0].set_ylim(min(0.0, panels[0].get_ylim()[0]), highest)
        below = self._under_axis(panels[-1])
        width, height = self.figure.get_size_inches()
        heading = (bool(title) + math.ceil(len(self.conditions) / self._legend_columns())) * FONT * 1.6
        self.figure.set_size_inches(width, height + (below + heading) / 72)
        self._headings(panels[0], title)

    def _panel(self, axes: Any, model: str) -> None:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(length=3)
        axes.grid(axis="y", color=GRID, linewidth=0.6)
        axes.set_axisbelow(True)
        step = min(0.09, 0.4 / len(self.conditions))
        for index, condition in enumerate(self.conditions):
            shift = (index - (len(self.conditions) - 1) / 2) * step
            found = [
                (place + shift, mean)
                for place, region in enumerate(self.regions)
                if (mean := self.study.mean(model, condition, region)) is not None
            ]
            axes.errorbar(
                [x for x, _ in found],
                [mean.mean for _, mean in found],
                yerr=[mean.half_width or 0.0 for _, mean in found],
                elinewidth=1.0,
                capsize=2.5,
                label=self._shown(condition),
                **_style(index),
            )
        if model:
            axes.set_title(self._shown(model), loc="left", fontsize=FONT, parse_math=False)
        axes.set_ylabel(_quantity(self.study.value), parse_math=False)
        axes.set_xlim(-0.5, len(self.regions) - 0.5)

    def _under_axis(self, axes: Any) -> float:
        """Write the regions and words under the axis; returns their height in points."""
        size, columns = self._column_size()
        labels = [_wrapped(self._shown(region), columns) for region in self.regions]
        axes.set_xticks(range(len(self.regions)), ["\n".join(lines) for lines in labels], fontsize=size)
        for label in axes.get_xticklabels():
            label.set_parse_math(False)
        words = self.study.example()
        down = 6 + 1.25 * size * max(map(len, labels))
        item, texts, same = words or ("", {}, True)
        for condition in self.conditions if words else ():
            row = [_wrapped(self._shown(texts.get((condition, region), "")), columns) for region in self.regions]
            heading = _wrapped(self._shown(condition), 16)
            down += 0.5 * size
            for place, lines in enumerate(row):
                self._text(axes, ("data", "axes fraction"), place, down, lines, size, ha="center")
            self._text(axes, "axes fraction", -0.015, down, heading, size, ha="right", fontweight="bold")
            down += 1.25 * size * max(map(len, [*row, heading]))
        of_item = "" if same or not self.study.columns.item else f"; words of {self.study.columns.item} {item}"
        note = self._shown(self._intervals() + of_item)
        self._text(axes, "axes fraction", 1, down + size, [note], size, ha="right")
        return down + 2.5 * size

    def _intervals(self) -> str:
        least, most = self.study.items()
        name = "items" if self.study.columns.item is not None else "rows"
        over = f"{most:,} {name}" if least == most else f"{least:,} to {most:,} {name}"
        return f"means and 95% intervals over {over}" if most > 1 else "values of one item"

    def _text(self, axes: Any, coords: Any, x: float, down: float, lines: list[str], size: float, **style: Any) -> None:
        """Write lines whose first begins `down` points under the axis; x: in the coordinates `coords`."""
        for number, line in enumerate(lines):
            offset = (0, -down - size * (1 + 1.25 * number))
            axes.annotate(
                line, (x, 0), xycoords=coords, xytext=offset, textcoords="offset points", va="baseline", fontsize=size,
                annotation_clip=False, parse_math=False, **style,
            )  # fmt: skip

    def _headings(self, axes: Any, title: str | None) -> None:
        """The title and the legend."""
        handles, labels = axes.get_legend_handles_labels() if self.conditions != [""] else ([], [])
        if not title and not labels:
            return
        legend = self.figure.legend(
            handles, labels, loc="outside upper left", ncols=self._legend_columns(), frameon=False,
            title=self._shown(title or ""), title_fontproperties={"size": FONT + 1, "weight": "bold"}, fontsize=FONT,
            alignment="left", handlelength=3.2, borderpad=0,
        )  # fmt: skip
        for text in (legend.get_title(), *legend.get_texts()):
            text.set_parse_math(False)

    def _legend_columns(self) -> int:
        """How many conditions fit beside each other in the legend."""
        widest = max(map(len, self.conditions)) * 0.62 * FONT + 6 * FONT
        return max(1, min(len(self.conditions), int(WIDTH / 25.4 * 72 / widest)))

    def _column_size(self) -> tuple[float, int]:
        """The size of the words in points, and how many characters fit under a region."""
        points = (WIDTH - 30) / 25.4 * 72 / len(self.regions)
        words = self.study.example()
        texts = [*self.regions, *(words[1].values() if words else ())]
        longest = max((len(word) for text in texts for word in text.split()), default=1)
        size = next((size for size in (SMALL, 7.0, 6.0) if longest * 0.6 * size <= points), 6.0)
        return size, max(3, int(points / (0.56 * size)))

    def _shown(self, text: str) -> str:
        return drawable(text, self.lacking)


def _style(index: int) -> dict[str, Any]:
    colour = COLOURS[index % len(COLOURS)]
    return {
        "color": colour,
        "marker": MARKERS[index % len(MARKERS)],
        "linestyle": LINES[index % len(LINES)],
        "markerfacecolor": PAPER if index % 2 else colour,
        "markersize": 5,
        "linewidth": 1.3,
    }


def _quantity(column: str) -> str:
    """`surprisal_sum_bits` as the label of an axis: surprisal (bits)."""
    name, _, unit = column.rpartition("_")
    if unit not in ("bits", "nats", "bans"):
        return column.replace("_", " ")
    kind = {"surprisal_sum": "surprisal", "surprisal_mean": "surprisal per token"}.get(name, name.replace("_", " "))
    return f"{kind} ({unit})"


def _wrapped(text: str, columns: int) -> list[str]:
    return textwrap.wrap(text, columns) or [""]


def _rows(table: Any) -> tuple[Rows, list[str]]:
    """The rows of a frame or an iterable, and the names of the columns."""
    if hasattr(table, "iter_rows"):
        return table.iter_rows(named=True), list(table.columns)
    if hasattr(table, "to_dict"):
        return table.to_dict("records"), [str(name) for name in table.columns]
    rows = list(table)
    return rows, list(rows[0]) if rows else []


def _notes(study: Study, lacking: set[str]) -> Iterator[str]:
    if study.undefined:
        yield f"rows without a number in {study.value!r}, which are left out: {study.undefined:,}"
    if study.items()[0] < 2:
        yield "some means are of one item alone and have no interval"
    if lacking:
        some = " ".join(sorted(lacking)[:8])
        yield f"no installed font has {len(lacking):,} of the characters ({some}): they are drawn as {SUBSTITUTE}"

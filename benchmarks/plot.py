"""Plot benchmark figures: `python -m benchmarks.plot FIGURES.json PICTURE.png`.

The upper row has bars of each peer's time divided by weft's, on a logarithmic axis. The lower row has the time per
token as one size of the model, or the corpus, grows.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.contender import BFLOAT16, FUSED, INT8
from benchmarks.row import RATIO, ratio_of
from weft.files import replace_atomically
from weft.presentation.palette import BLUE, GREEN, GRID, INK, ORANGE, PURPLE, SKY_BLUE, VERMILION

Figures = dict[str, Any]
TIMED = ("training", "scoring", "streaming")
PER_TOKEN = "microseconds_per_token"
SIZES = {"V": "vocabulary size V", "H": "hidden size H", "T": "steps T", "N": "streams N"}


@dataclass(frozen=True)
class Style:
    """Appearance of one series: colour, line style and marker of a line; colour and hatch of a bar."""

    colour: str
    line: str
    marker: str
    hatch: str = ""


STYLES = {
    FUSED: Style(BLUE, "-", "o"),
    BFLOAT16: Style(BLUE, "--", "s"),
    INT8: Style(BLUE, ":", "^"),
    "weft plain": Style(SKY_BLUE, "-.", "D"),
    "PyTorch f32": Style(ORANGE, "-", "v"),
    "PyTorch bf16": Style(ORANGE, "--", "P", "///"),
    "PyTorch compiled": Style(VERMILION, "-.", "X"),
    "PyTorch unrolled": Style(VERMILION, ":", "<", "///"),
    "ONNX f32": Style(GREEN, "-", ">"),
    "ONNX int8": Style(GREEN, ":", "*", "///"),
    "weft, training": Style(BLUE, "-", "o"),
    "weft, evaluation": Style(PURPLE, "--", "s"),
}
"""One colour per library and mode of execution; dashes and hatches distinguish precisions."""
GROUP_WIDTH = 0.8
INCHES = (15, 4.5)


def draw(figures: Figures, path: Path) -> None:
    """Plot the measured parts into the PNG at `path`, replaced atomically."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    rows = [panels for panels in (ratio_panels(figures), growth_panels(figures)) if panels]
    count = max(1, len(rows))
    style: Any = dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), INK)
    style["hatch.linewidth"] = 0.6
    with rc_context(style), replace_atomically(path) as file:
        figure = Figure(figsize=(INCHES[0], INCHES[1] * count), layout="constrained")
        for subfigure, panels in zip(figure.subfigures(count, 1, squeeze=False)[:, 0], rows, strict=False):
            width_ratios = [width for width, _ in panels]
            row_axes = subfigure.subplots(1, len(panels), width_ratios=width_ratios, squeeze=False)[0]
            for axes, (_, draw_panel) in zip(row_axes, panels, strict=True):
                draw_panel(axes)
                axes.spines[["top", "right", "left"]].set_visible(False)
                axes.grid(axis="y", color=GRID, linewidth=0.6)
                axes.tick_params(length=0)
                axes.set_axisbelow(True)
        figure.savefig(file, format="png", dpi=100)


Panel = tuple[float, Callable[[Any], None]]
"""Relative width of a panel, and the function that draws it on axes."""


def ratio_panels(figures: Figures) -> list[Panel]:
    """One panel of ratios per measured part of TIMED."""

    def panel(part: str) -> Panel:
        rows = figures[part]
        return max(2, len(rows)), lambda axes: draw_ratios(axes, part, rows)

    return [panel(part) for part in TIMED if figures.get(part)]


def growth_panels(figures: Figures) -> list[Panel]:
    """One panel of times per measured size of the model, and one for the size of the corpus."""

    def panel(axis: str, rows: list[Any]) -> Panel:
        return 1, lambda axes: draw_curves(axes, SIZES[axis], curves(rows))

    rows_by_axis = {axis: [row for row in figures.get("growth", []) if row["axis"] == axis] for axis in SIZES}
    panels = [panel(axis, rows) for axis, rows in rows_by_axis.items() if rows]
    corpus = corpus_curves(figures["corpus"][0]) if figures.get("corpus") else {}
    if any(corpus.values()):
        panels.append((1, lambda axes: draw_curves(axes, "corpus (MB)", corpus)))
    return panels


def draw_ratios(axes: Any, part: str, rows: list[Any]) -> None:
    """A group of bars per case, a bar per peer; the line at 1 is weft in the same precision."""
    peers = list(dict.fromkeys(peer for row in rows for peers in row[RATIO].values() for peer in peers))
    width = GROUP_WIDTH / max(1, len(peers))
    for index, peer in enumerate(peers):
        ratios = {group: ratio for group, row in enumerate(rows) if (ratio := ratio_of(peer, row[RATIO]))}
        positions = [group + width * (index - (len(peers) - 1) / 2) for group in ratios]
        # Bars start at 1: a bar below the line is a peer that is faster than weft.
        heights = [ratio - 1 for ratio in ratios.values()]
        axes.bar(positions, heights, width, 1, label=peer, **bar_style(peer))
    axes.axhline(1, color=INK, linewidth=1)
    limits = [1.0, *(ratio for row in rows for peer in peers if (ratio := ratio_of(peer, row[RATIO])))]
    axes.set_ylim(min(limits) / 1.2, max(limits) * 1.6)  # room for the legend
    set_log_scale(axes.yaxis, [0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 32, 64])
    axes.set_xticks(range(len(rows)), [row["case"].replace(", ", "\n") for row in rows], fontsize=8)
    axes.set_ylabel("peer's time / weft's in the same precision", fontsize=8)
    axes.set_title(part, fontsize=9)
    axes.legend(fontsize=7, ncols=2 if len(rows) > 1 else 1, loc="upper center", frameon=False)


def draw_curves(axes: Any, label: str, lines: dict[str, dict[float, float]]) -> None:
    """Microseconds per token over a size, one line per contender."""
    for name, points in lines.items():
        axes.plot(list(points), list(points.values()), label=name, **line_style(name))
    set_log_scale(axes.xaxis, sorted({size for points in lines.values() for size in points}))
    values = [value for points in lines.values() for value in points.values()]
    axes.set_ylim(min(values) / 2, max(values) * 2)  # a small variation should look small
    set_log_scale(axes.yaxis, [digit * 10.0**power for power in range(-2, 6) for digit in (1, 2, 5)])
    axes.set_xlabel(label)
    axes.set_ylabel("time per token (µs)")
    axes.legend(fontsize=7, handlelength=3, frameon=False)


def bar_style(name: str) -> dict[str, Any]:
    """Keyword arguments of `Axes.bar`; matplotlib's defaults for an unknown contender."""
    style = STYLES.get(name)
    return {"color": style.colour, "hatch": style.hatch, "edgecolor": "white", "linewidth": 0} if style else {}


def line_style(name: str) -> dict[str, Any]:
    """Keyword arguments of `Axes.plot`; matplotlib's defaults for an unknown contender."""
    style = STYLES.get(name)
    return {"color": style.colour, "linestyle": style.line, "marker": style.marker, "markersize": 4} if style else {}


def set_log_scale(axis: Any, ticks: list[float]) -> None:
    """Make an axis logarithmic, with those of `ticks` that are within its limits."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    low, high = axis.get_view_interval()
    shown = [tick for tick in ticks if low <= tick <= high]
    axis.set_ticks(shown, labels=[short(tick) for tick in shown], fontsize=8)
    axis.set_ticks([], minor=True)


def short(tick: float) -> str:
    """The number, in thousands if it is a multiple of 1000."""
    return f"{tick:g}" if tick % 1000 else f"{tick / 1000:g}k"


def curves(rows: list[Any]) -> dict[str, dict[float, float]]:
    """Microseconds per token by contender and size."""
    names = dict.fromkeys(name for row in rows for name in row[PER_TOKEN])
    return {name: {row["size"]: row[PER_TOKEN][name] for row in rows if name in row[PER_TOKEN]} for name in names}


def corpus_curves(row: Any) -> dict[str, dict[float, float]]:
    """Microseconds per token by kind and megabytes; the keys of the row are "training, 10 MB"."""
    lines: dict[str, dict[float, float]] = {}
    for name, value in row[PER_TOKEN].items():
        kind, size = name.removesuffix(" MB").split(", ")
        lines.setdefault(f"weft, {kind}", {})[float(size)] = value
    return lines


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text("utf-8")), Path(sys.argv[2]))

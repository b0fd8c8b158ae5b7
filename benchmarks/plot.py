"""The figures as a picture: `python -m benchmarks.plot FIGURES.json PICTURE.png`.

Above, how many times as long as weft each peer takes, as bars on a logarithmic axis; below, what a token costs while
one size of a model, or the corpus, grows.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.contender import FUSED
from benchmarks.row import RATIO, ratio_of
from weft.files import replace_atomically

Figures = dict[str, Any]
TIMED = ("training", "scoring", "streaming")
PER_TOKEN = "microseconds_per_token"
SIZES = {"V": "vocabulary V", "H": "hidden size H", "T": "steps T", "N": "streams N"}
COLOURS = {
    FUSED: "tab:red",
    "weft bf16": "tab:pink",
    "weft int8": "tab:purple",
    "weft plain": "tab:gray",
    "PyTorch f32": "tab:blue",
    "PyTorch bf16": "tab:cyan",
    "PyTorch compiled": "navy",
    "PyTorch unrolled": "slateblue",
    "ONNX f32": "tab:green",
    "ONNX int8": "yellowgreen",
}
"""The same in all panels; others take matplotlib's own."""
GROUP_WIDTH = 0.8
INCHES = (15, 4.5)


def draw(figures: Figures, path: Path) -> None:
    """Write the PNG, with the parts that were measured; the file is replaced as a whole."""
    from matplotlib.figure import Figure

    rows = [panels for panels in (ratio_panels(figures), growth_panels(figures)) if panels]
    figure = Figure(figsize=(INCHES[0], INCHES[1] * max(1, len(rows))), layout="constrained")
    for subfigure, panels in zip(figure.subfigures(max(1, len(rows)), 1, squeeze=False)[:, 0], rows, strict=False):
        widths = [width for width, _ in panels]
        places = subfigure.subplots(1, len(panels), width_ratios=widths, squeeze=False)[0]
        for axes, (_, drawn) in zip(places, panels, strict=True):
            drawn(axes)
    with replace_atomically(path) as file:
        figure.savefig(file, format="png", dpi=100)


Panel = tuple[float, Callable[[Any], None]]
"""Its share of the width, and what draws it."""


def ratio_panels(figures: Figures) -> list[Panel]:
    def panel(part: str) -> Panel:
        rows = figures[part]
        return max(2, len(rows)), lambda axes: draw_ratios(axes, part, rows)

    return [panel(part) for part in TIMED if figures.get(part)]


def growth_panels(figures: Figures) -> list[Panel]:
    def panel(axis: str, rows: list[Any]) -> Panel:
        return 1, lambda axes: draw_curves(axes, SIZES[axis], curves(rows))

    grown = {axis: [row for row in figures.get("growth", []) if row["axis"] == axis] for axis in SIZES}
    panels = [panel(axis, rows) for axis, rows in grown.items() if rows]
    read = corpus_curves(figures["corpus"][0]) if figures.get("corpus") else {}
    if any(read.values()):
        panels.append((1, lambda axes: draw_curves(axes, "corpus, MB", read)))
    return panels


def draw_ratios(axes: Any, part: str, rows: list[Any]) -> None:
    """A group of bars for each case, a bar for each peer; the line at 1 is weft in the same precision."""
    peers = list(dict.fromkeys(peer for row in rows for peers in row[RATIO].values() for peer in peers))
    width = GROUP_WIDTH / max(1, len(peers))
    for index, peer in enumerate(peers):
        ratios = {place: ratio for place, row in enumerate(rows) if (ratio := ratio_of(peer, row[RATIO]))}
        places = [place + width * (index - (len(peers) - 1) / 2) for place in ratios]
        # From 1 upwards or downwards: a bar below the line is a peer that is faster.
        axes.bar(places, [ratio - 1 for ratio in ratios.values()], width, 1, label=peer, color=COLOURS.get(peer))
    axes.axhline(1, color="black", linewidth=1)
    heights = [1.0, *(ratio for row in rows for peer in peers if (ratio := ratio_of(peer, row[RATIO])))]
    axes.set_ylim(min(heights) / 1.2, max(heights) * 1.6)  # room for the names
    scale(axes.yaxis, [0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 32, 64])
    axes.set_xticks(range(len(rows)), [row["case"].replace(", ", "\n") for row in rows], fontsize=8)
    axes.set_ylabel("peer's time / weft's in the same precision", fontsize=8)
    axes.set_title(part, fontsize=9)
    axes.legend(fontsize=7, ncols=2 if len(rows) > 1 else 1, loc="upper center")


def draw_curves(axes: Any, label: str, lines: dict[str, dict[float, float]]) -> None:
    """Time a token over a size, a line for each name."""
    for name, points in lines.items():
        axes.plot(list(points), list(points.values()), marker=".", label=name, color=COLOURS.get(name))
    scale(axes.xaxis, sorted({size for points in lines.values() for size in points}))
    values = [value for points in lines.values() for value in points.values()]
    axes.set_ylim(min(values) / 2, max(values) * 2)  # what is constant is to look constant
    scale(axes.yaxis, [digit * 10.0**power for power in range(-2, 6) for digit in (1, 2, 5)])
    axes.set_xlabel(label)
    axes.set_ylabel("µs a token")
    axes.legend(fontsize=7)


def scale(axis: Any, ticks: list[float]) -> None:
    """A logarithmic axis with those of the ticks that are within its limits."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    low, high = axis.get_view_interval()
    shown = [tick for tick in ticks if low <= tick <= high]
    axis.set_ticks(shown, labels=[short(tick) for tick in shown], fontsize=8)
    axis.set_ticks([], minor=True)


def short(tick: float) -> str:
    return f"{tick:g}" if tick % 1000 else f"{tick / 1000:g}k"


def curves(rows: list[Any]) -> dict[str, dict[float, float]]:
    """Microseconds a token by name and size."""
    names = dict.fromkeys(name for row in rows for name in row[PER_TOKEN])
    return {name: {row["size"]: row[PER_TOKEN][name] for row in rows if name in row[PER_TOKEN]} for name in names}


def corpus_curves(row: Any) -> dict[str, dict[float, float]]:
    """The same by kind and megabytes, from names as "training, 10 MB"."""
    lines: dict[str, dict[float, float]] = {}
    for name, value in row[PER_TOKEN].items():
        kind, size = name.removesuffix(" MB").split(", ")
        lines.setdefault(f"weft, {kind}", {})[float(size)] = value
    return lines


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text("utf-8")), Path(sys.argv[2]))

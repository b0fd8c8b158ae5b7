"""How the pictures look: colours in a light and a dark scheme, and the strokes that diagrams are made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.presentation.palette import BLUE, DARK_INK, DARK_PAPER, INK, PAPER, SERIES, SKY_BLUE, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MILLIMETRE = 1 / 25.4
WIDTH = 160
"""Millimetres."""
FORWARD_WIDTH, STATE_WIDTH = 1.0, 2.4


@dataclass(frozen=True)
class Scheme:
    """`suffix` ends the names of its files. The series are Okabe and Ito's colours, in their order."""

    suffix: str
    ink: str
    paper: str
    block: str
    box: str
    surprising: str
    state: str = BLUE
    backward: str = VERMILION
    series: tuple[str, ...] = SERIES


SCHEMES = (
    Scheme("", ink=INK, paper=PAPER, block="#eeeeee", box=PAPER, surprising="#f4a582"),
    Scheme(
        "-dark", ink=DARK_INK, paper=DARK_PAPER, block="#262a32", box=DARK_PAPER, surprising="#7a3b1e",
        state=SKY_BLUE, backward="#ff8a3d",
    ),
)  # fmt: skip


def canvas(scheme: Scheme, width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of the given size in millimetres, and axes over all of it whose unit is a millimetre."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * MILLIMETRE, height * MILLIMETRE), facecolor=scheme.paper)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.set_axis_off()
    return figure, axes


def save(figure: Figure, folder: Path, name: str) -> None:
    """Write NAME.svg and NAME.png (200 dots per inch) into a folder."""
    from matplotlib import rc_context

    with rc_context({"svg.hashsalt": name}):
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
        figure.savefig(folder / f"{name}.png", dpi=200, metadata={"Software": None})


def box(axes: Axes, scheme: Scheme, x: float, y: float, width: float, height: float, text: str, **style: Any) -> None:
    """A rounded box with its lower left corner at (x, y): a layer, or a part of the program."""
    from matplotlib.patches import FancyBboxPatch

    face, size = style.pop("face", scheme.box), style.pop("size", 8)
    shape = FancyBboxPatch(
        (x, y), width, height, boxstyle="round,pad=0,rounding_size=1.4", facecolor=face, edgecolor=scheme.ink,
        linewidth=0.9, zorder=3,
    )  # fmt: skip
    axes.add_patch(shape)
    axes.text(x + width / 2, y + height / 2, text, color=scheme.ink, fontsize=size, ha="center", va="center", zorder=4)


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], colour: str, **style: Any) -> None:
    """A straight arrow; dashed=True for gradients."""
    from matplotlib.patches import FancyArrowPatch

    dashed, width = style.pop("dashed", False), style.pop("width", FORWARD_WIDTH)
    shape = FancyArrowPatch(
        start, end, arrowstyle=f"-|>,head_length={2.2 + width},head_width={1.1 + 0.6 * width}", mutation_scale=1,
        color=colour, linewidth=width, linestyle=(0, (3, 2)) if dashed else "solid", shrinkA=0, shrinkB=0, zorder=2,
        joinstyle="miter", **style,
    )  # fmt: skip
    axes.add_patch(shape)


def label(axes: Axes, scheme: Scheme, x: float, y: float, text: str, **style: Any) -> None:
    """Text at (x, y); by default in small italics, as the name and shape of an array."""
    options: dict[str, Any] = {
        "fontsize": 7.5,
        "style": "italic",
        "ha": "left",
        "va": "center",
        "color": scheme.ink,
        "zorder": 5,
    }
    axes.text(x, y, text, **(options | style))

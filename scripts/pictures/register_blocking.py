"""Register blocking: how the micro-kernel holds a tile of C in the vector registers, with AVX-512."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scripts.pictures.look import WIDTH, Scheme, arrow, canvas, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROWS, VECTORS, LANES = 10, 2, 16
"""The tiling of AVX-512."""
HEIGHT = 84
SIDE = 3.0
LEFT, BOTTOM = 60.0, 8.0
GAP = 1.6
A_LEFT = 12.0
STEPS = 10
"""Columns of A, and rows of B, that are drawn."""


def draw(scheme: Scheme) -> Figure:
    figure, axes = canvas(scheme, WIDTH, HEIGHT)
    _accumulators(axes, scheme)
    _panel(axes, scheme)
    _rows_of_a(axes, scheme)
    return figure


def _grid(axes: Axes, scheme: Scheme, x: float, y: float, columns: int, rows: int, face: str) -> None:
    """A matrix of cells with its lower left corner at (x, y)."""
    from matplotlib.patches import Rectangle

    width, height = columns * SIDE, rows * SIDE
    axes.add_patch(Rectangle((x, y), width, height, facecolor=face, zorder=1))
    style: dict[str, Any] = {"color": scheme.ink, "linewidth": 0.4, "zorder": 1.5}
    axes.vlines([x + n * SIDE for n in range(columns + 1)], y, y + height, **style)
    axes.hlines([y + n * SIDE for n in range(rows + 1)], x, x + width, **style)


def _vectors(axes: Axes, scheme: Scheme, y: float, rows: int, face: str) -> None:
    for vector in range(VECTORS):
        _grid(axes, scheme, LEFT + vector * (LANES * SIDE + GAP), y, LANES, rows, face)


def _accumulators(axes: Axes, scheme: Scheme) -> None:
    from matplotlib.patches import Rectangle

    _vectors(axes, scheme, BOTTOM, ROWS, scheme.box)
    for vector in range(VECTORS):
        corner = (LEFT + vector * (LANES * SIDE + GAP), BOTTOM)
        outline = Rectangle(
            corner, LANES * SIDE, ROWS * SIDE, fill=False, edgecolor=scheme.state, linewidth=1.8, zorder=2
        )
        axes.add_patch(outline)
    text = f"C: {ROWS} × {VECTORS} accumulators, each one register of {LANES} float32 lanes"
    label(axes, scheme, LEFT, BOTTOM - 4, text, style="normal")


def _panel(axes: Axes, scheme: Scheme) -> None:
    above = BOTTOM + ROWS * SIDE + 6
    _vectors(axes, scheme, above, 1, scheme.surprising)
    _vectors(axes, scheme, above + SIDE, STEPS - 1, scheme.block)
    label(axes, scheme, LEFT, above + STEPS * SIDE + 3, "B: a packed panel, read straight through", style="normal")
    label(axes, scheme, LEFT - 2, above + SIDE / 2, "k: 2 loads", ha="right", style="normal")
    label(axes, scheme, LEFT - 2, above + SIDE * 1.8, "k + 1", ha="right")
    label(axes, scheme, LEFT - 2, above + SIDE * 3.1, "⋮", ha="right")
    middle = LEFT + LANES * SIDE + GAP / 2
    for x in (middle - LANES * SIDE / 2, middle + LANES * SIDE / 2):
        arrow(axes, (x, above), (x, BOTTOM + ROWS * SIDE + 0.8), scheme.ink)


def _rows_of_a(axes: Axes, scheme: Scheme) -> None:
    right = A_LEFT + STEPS * SIDE
    _grid(axes, scheme, A_LEFT, BOTTOM, STEPS - 1, ROWS, scheme.block)
    _grid(axes, scheme, right - SIDE, BOTTOM, 1, ROWS, scheme.surprising)
    above = BOTTOM + ROWS * SIDE + 3
    label(axes, scheme, right - SIDE / 2, above, "k", ha="center")
    label(axes, scheme, A_LEFT, BOTTOM - 4, f"A: {ROWS} rows", style="normal")
    y = BOTTOM + ROWS * SIDE / 2
    arrow(axes, (right + 1, y), (LEFT - 1, y), scheme.ink)
    for line, text in enumerate((f"{ROWS} numbers,", "each spread", "over a vector")):
        label(axes, scheme, (right + LEFT) / 2, y + 9.6 - 2.9 * line, text, ha="center", style="normal", fontsize=7)

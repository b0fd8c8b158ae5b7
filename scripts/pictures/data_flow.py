"""Data flow: from text to a trained model and to its uses, each part under the name of its package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scripts.pictures.look import STATE_WIDTH, WIDTH, Scheme, arrow, box, canvas, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEIGHT = 78
WIDE, BOX = 24.0, 11.0
TEXT, TRAIN, USE = 62.0, 35.0, 6.0
COLUMNS = (3.0, 36.0, 69.0, 102.0, 133.0)


def draw(scheme: Scheme) -> Figure:
    figure, axes = canvas(scheme, WIDTH, HEIGHT)
    _text(axes, scheme)
    _training(axes, scheme)
    _uses(axes, scheme)
    return figure


def _part(axes: Axes, scheme: Scheme, column: int, y: float, title: str, package: str) -> None:
    box(axes, scheme, COLUMNS[column], y, WIDE, BOX, f"{title}\n", size=7.5)
    style = {"ha": "center", "fontsize": 6.5, "family": "monospace", "style": "normal"}
    label(axes, scheme, COLUMNS[column] + WIDE / 2, y + 3.2, package, **style)


def _right(axes: Axes, scheme: Scheme, column: int, y: float, array: str) -> None:
    """An arrow from the part in a column to the next one, with its array's name."""
    start, end, middle = COLUMNS[column] + WIDE, COLUMNS[column + 1], y + BOX / 2
    arrow(axes, (start, middle), (end, middle), scheme.ink)
    label(axes, scheme, (start + end) / 2, middle + 2.6, array, ha="center", fontsize=6.5)


def _text(axes: Axes, scheme: Scheme) -> None:
    parts = (("files", "text/corpus"), ("tokenizer", "text/tokenizers"), ("token ids", "text/tokens"),
             ("blocks", "text/batches"))  # fmt: skip
    for column, (title, package) in enumerate(parts):
        _part(axes, scheme, column, TEXT, title, package)
    for column, array in enumerate(("str", "ids", "(L,)")):
        _right(axes, scheme, column, TEXT, array)


def _training(axes: Axes, scheme: Scheme) -> None:
    parts = (
        ("checkpoint", "training"),
        ("update", "training"),
        ("loss", "layers/output"),
        ("recurrent layers", "layers"),
    )
    for column, (title, package) in enumerate(parts):
        _part(axes, scheme, column, TRAIN, title, package)
    x = COLUMNS[3] + WIDE / 2
    arrow(axes, (x, TEXT), (x, TRAIN + BOX), scheme.ink)
    label(axes, scheme, x + 1.5, (TEXT + TRAIN + BOX) / 2, "xs, ts (N, T)", fontsize=6.5)
    high, low = TRAIN + 0.72 * BOX, TRAIN + 0.3 * BOX
    arrow(axes, (COLUMNS[3], high), (COLUMNS[2] + WIDE, high), scheme.ink)
    label(axes, scheme, (COLUMNS[3] + COLUMNS[2] + WIDE) / 2, high + 2.2, "hs", ha="center", fontsize=6.5)
    arrow(axes, (COLUMNS[2] + WIDE, low), (COLUMNS[3], low), scheme.backward, dashed=True)
    label(axes, scheme, (COLUMNS[3] + COLUMNS[2] + WIDE) / 2, low - 2.2, "dhs", ha="center", fontsize=6.5)
    _state(axes, scheme)
    below = TRAIN - 4.5
    for column in (2, 3):
        start = COLUMNS[column] + WIDE / 2
        axes.plot([start, start], [TRAIN, below], color=scheme.backward, linewidth=1, linestyle=(0, (3, 2)))
    end = COLUMNS[1] + WIDE / 2
    axes.plot([COLUMNS[3] + WIDE / 2, end], [below, below], color=scheme.backward, linewidth=1, linestyle=(0, (3, 2)))
    arrow(axes, (end, below), (end, TRAIN), scheme.backward, dashed=True)
    label(axes, scheme, COLUMNS[1] + WIDE / 2 + 2, below - 2.2, "gradients", fontsize=6.5)
    middle = TRAIN + BOX / 2
    arrow(axes, (COLUMNS[1], middle), (COLUMNS[0] + WIDE, middle), scheme.ink)
    label(axes, scheme, (COLUMNS[1] + COLUMNS[0] + WIDE) / 2, middle + 2.6, "weights", ha="center", fontsize=5.6)


def _state(axes: Axes, scheme: Scheme) -> None:
    """The loop of the hidden state from one block to the next."""
    from matplotlib.patches import FancyArrowPatch

    x = COLUMNS[3] + WIDE
    loop = FancyArrowPatch(
        (x, TRAIN + 0.75 * BOX), (x, TRAIN + 0.25 * BOX), connectionstyle="arc3,rad=-1.6", color=scheme.state,
        arrowstyle="-|>,head_length=4,head_width=2.4", mutation_scale=1, linewidth=STATE_WIDTH, shrinkA=0, shrinkB=0,
    )  # fmt: skip
    axes.add_patch(loop)
    label(axes, scheme, x + 7, TRAIN + BOX / 2, "state h (N, H)\nto the next block", fontsize=6.5)


def _uses(axes: Axes, scheme: Scheme) -> None:
    parts = (("run folder", "run_folder"), ("language model", "language_model"), ("perplexity", "evaluation"),
             ("scores", "scoring"), ("generation", "inference"))  # fmt: skip
    for column, (title, package) in enumerate(parts):
        _part(axes, scheme, column, USE, title, package)
    x = COLUMNS[0] + WIDE / 2
    arrow(axes, (x, TRAIN), (x, USE + BOX), scheme.ink)
    label(axes, scheme, x + 1.5, (TRAIN + USE + BOX) / 2, "best weights", fontsize=6.5)
    _right(axes, scheme, 0, USE, "load")
    above, start = USE + BOX + 4, COLUMNS[1] + WIDE / 2
    axes.plot([start, start], [USE + BOX, above], color=scheme.ink, linewidth=1)
    axes.plot([start, COLUMNS[4] + WIDE / 2], [above, above], color=scheme.ink, linewidth=1)
    for column in (2, 3, 4):
        end = COLUMNS[column] + WIDE / 2
        arrow(axes, (end, above), (end, USE + BOX), scheme.ink)

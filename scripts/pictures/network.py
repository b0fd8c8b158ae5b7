"""The network: a sentence read word by word, the gradient cut at the blocks, and the surprisal of every word.

The surprisals are those of one LSTM layer of 200 units after `weft train ptb --epochs 1`, from `weft score`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scripts.pictures.look import STATE_WIDTH, WIDTH, Scheme, arrow, box, canvas, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

START = "<eos>"
SURPRISALS = (
    ("the", 4.56), ("board", 8.31), ("believed", 11.89), ("the", 3.77), ("offer", 8.57), ("was", 4.05), ("too", 9.08),
    ("low", 8.88), ("<eos>", 2.35),
)  # fmt: skip
"""Word and bits."""
BLOCK = 3
"""Steps of a block, T."""
HEIGHT = 97
LEFT, STEP, WIDE = 28.5, 14.4, 10.4
LEGEND, WORDS, EMBEDDING, CELL, OUTPUT, BARS = 3.5, 11.0, 17.0, 31.0, 49.0, 65.0
BOX = 7.0
MOST_BITS, BAR_HEIGHT = 12.0, 20.0


def draw(scheme: Scheme) -> Figure:
    figure, axes = canvas(scheme, WIDTH, HEIGHT)
    inputs = [START, *(word for word, _bits in SURPRISALS[:-1])]
    _blocks(axes, scheme, len(inputs))
    for t, (word, (target, bits)) in enumerate(zip(inputs, SURPRISALS, strict=True)):
        _step(axes, scheme, t, word)
        _surprisal(axes, scheme, t, target, bits)
    _between_steps(axes, scheme, len(inputs))
    _names(axes, scheme)
    _legend(axes, scheme)
    return figure


def _centre(t: int) -> float:
    return LEFT + t * STEP + WIDE / 2


def _blocks(axes: Axes, scheme: Scheme, steps: int) -> None:
    from matplotlib.patches import Rectangle

    for first in range(0, steps, BLOCK):
        x, width = LEFT + first * STEP - 1.5, BLOCK * STEP - 1.0
        corner = (x, EMBEDDING - 2)
        axes.add_patch(Rectangle(corner, width, OUTPUT + BOX + 4 - EMBEDDING, facecolor=scheme.block, zorder=0))


def _step(axes: Axes, scheme: Scheme, t: int, word: str) -> None:
    x = LEFT + t * STEP
    label(axes, scheme, _centre(t), WORDS, word, ha="center", style="normal", fontsize=8)
    for y, text in ((EMBEDDING, "W"), (CELL, "$h_t$".replace("t", str(t))), (OUTPUT, "softmax")):
        box(axes, scheme, x, y, WIDE, BOX, text, size=6.5 if y == OUTPUT else 8)
    up, down = _centre(t) - 1.6, _centre(t) + 1.6
    for low, high in ((WORDS + 2.5, EMBEDDING), (EMBEDDING + BOX, CELL), (CELL + BOX, OUTPUT), (OUTPUT + BOX, BARS)):
        arrow(axes, (up, low), (up, high), scheme.ink)
        if low > WORDS + 3 and high < BARS:
            arrow(axes, (down, high), (down, low), scheme.backward, dashed=True)


def _between_steps(axes: Axes, scheme: Scheme, steps: int) -> None:
    """The state passes from each step to the next; the gradient ends at the first step of its block."""
    high, low = CELL + 0.68 * BOX, CELL + 0.28 * BOX
    for t in range(steps):
        begin = LEFT + t * STEP - (STEP - WIDE)
        if t == 0:
            begin -= 1.0
        end = LEFT + t * STEP
        arrow(axes, (begin, high), (end, high), scheme.state, width=STATE_WIDTH)
        if t % BLOCK:
            arrow(axes, (end, low), (begin, low), scheme.backward, dashed=True)
            continue
        axes.plot([end - 1.6, end], [low, low], color=scheme.backward, linewidth=1, linestyle=(0, (3, 2)), zorder=2)
        for x in (end - 2.2, end - 3.0):
            axes.plot([x - 0.4, x + 0.4], [low - 1.4, low + 1.4], color=scheme.backward, linewidth=1.1, zorder=2)


def _surprisal(axes: Axes, scheme: Scheme, t: int, word: str, bits: float) -> None:
    from matplotlib.patches import Rectangle

    base, height = BARS + 4.5, BAR_HEIGHT * bits / MOST_BITS
    corner = (LEFT + t * STEP + 1.0, base)
    axes.add_patch(Rectangle(corner, WIDE - 2.0, height, facecolor=scheme.surprising, zorder=1))
    axes.plot([corner[0], corner[0] + WIDE - 2], [base, base], color=scheme.ink, linewidth=0.8)
    label(axes, scheme, _centre(t), BARS + 2.2, word, ha="center", style="normal", fontsize=8)
    label(axes, scheme, _centre(t), base + height + 1.7, f"{bits:.1f}", ha="center", style="normal", fontsize=7.5)


def _names(axes: Axes, scheme: Scheme) -> None:
    def name(y: float, text: str, shape: str) -> None:
        label(axes, scheme, 1.5, y + 1.5, text, style="normal", fontsize=7.5)
        label(axes, scheme, 1.5, y - 1.7, shape, fontsize=6.5)

    name(WORDS, "tokens", "ids (N, T)")
    name(EMBEDDING + BOX / 2, "TimeEmbedding", "xs (N, T, D)")
    name(CELL + BOX / 2, "TimeLSTM", "hs (N, T, H)")
    name(OUTPUT + BOX / 2, "TimeAffine", "scores (N, T, V)")
    name(BARS + 3.0, "next token,", "surprisal in bits")


def _legend(axes: Axes, scheme: Scheme) -> None:
    from matplotlib.patches import Rectangle

    def said(x: float, text: str) -> None:
        label(axes, scheme, x, LEGEND, text, style="normal", fontsize=7.5)

    arrow(axes, (LEFT - 1.5, LEGEND), (LEFT + 4.5, LEGEND), scheme.state, width=STATE_WIDTH)
    said(LEFT + 6, "state, carried on")
    arrow(axes, (LEFT + 40.5, LEGEND), (LEFT + 34.5, LEGEND), scheme.backward, dashed=True)
    said(LEFT + 42, "gradient, cut between blocks")
    axes.add_patch(Rectangle((LEFT + 86, LEGEND - 1.6), 6, 3.2, facecolor=scheme.block))
    said(LEFT + 93.5, f"block of T = {BLOCK} steps")

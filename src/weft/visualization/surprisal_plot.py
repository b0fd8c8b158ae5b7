"""A plot of surprisal: one bar for each token, one row of bars or more for each line of text."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from weft.files import replace_atomically
from weft.presentation.escapes import visible
from weft.scoring.token_score import TokenScore
from weft.visualization.colour_scale import BACKGROUNDS, FOREGROUNDS, level
from weft.visualization.fonts import SUBSTITUTE, drawable, families_for

MAX_TOKENS = 400
"""More are not readable in one picture."""

TOKENS_PER_ROW = 25


def write_png(path: Path, scores: Iterable[Sequence[TokenScore]]) -> list[str]:
    """Draw the surprisal of the first MAX_TOKENS tokens of some lines; returns notes for the user, a sentence each.

    The PNG at `path` is replaced atomically.
    """
    plot = SurprisalPlot()
    for line_scores in scores:
        plot.add(line_scores)
    return plot.draw(path)


class SurprisalPlot:
    """Collects the scores of lines and draws them."""

    def __init__(self) -> None:
        self._rows: list[list[TokenScore]] = []
        self._drawn = self._tokens = 0

    def add(self, scores: Sequence[TokenScore]) -> None:
        """Add the scores of the next line."""
        kept = list(scores[: MAX_TOKENS - self._drawn])
        self._drawn += len(kept)
        self._tokens += len(scores)
        self._rows += [kept[start : start + TOKENS_PER_ROW] for start in range(0, len(kept), TOKENS_PER_ROW)]

    def draw(self, path: Path) -> list[str]:
        """Draw the plot into the PNG at `path`; returns notes on what is missing or drawn wrongly."""
        from matplotlib import rc_context

        words = [[_label(score) for score in row] for row in self._rows]
        families, lacking = families_for({character for row in words for word in row for character in word})
        words = [[drawable(word, lacking) for word in row] for row in words]
        with rc_context({"font.family": families}):
            figure = self._figure(words)
            with replace_atomically(path) as file:
                figure.savefig(file, format="png")
        return self._notes(lacking)

    def _figure(self, words: list[list[str]]) -> Any:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        rows = max(1, len(self._rows))
        slots = max([10, *map(len, self._rows)])
        figure = Figure(figsize=(1.2 + 0.42 * slots, 2.3 * rows + 0.3), dpi=110, layout="constrained")
        FigureCanvasAgg(figure)  # needs no display, and does not change the backend of the program
        finite = [score.surprisal_bits for row in self._rows for score in row if score.logprob_nats > float("-inf")]
        highest = 1.08 * max([1.0, *finite])
        for number, (row, labels) in enumerate(zip(self._rows, words, strict=True), start=1):
            axes = figure.add_subplot(rows, 1, number)
            _draw_row(axes, row, labels, highest)
            axes.set_xlim(-0.7, slots - 0.3)
        if not self._rows:
            figure.text(0.5, 0.5, "no tokens", ha="center")
        return figure

    def _notes(self, lacking: set[str]) -> list[str]:
        notes = []
        if self._tokens > self._drawn:
            notes.append(f"the picture shows the first {self._drawn:,} of {self._tokens:,} tokens")
        if lacking:
            some = " ".join(sorted(lacking)[:8])
            notes.append(
                f"no installed font has {len(lacking):,} of the characters ({some}): they are drawn as {SUBSTITUTE}; "
                "install one that has them, Noto Sans CJK for instance, and draw again"
            )
        texts = (score.text for row in self._rows for score in row)
        if not _shapes_text() and any(unicodedata.bidirectional(c) in ("R", "AL") for text in texts for c in text):
            notes.append(
                "words that run from right to left are drawn letter by letter; the page of --html shows them correctly"
            )
        return notes


def _shapes_text() -> bool:
    """Whether this matplotlib joins letters and orders them by the direction of the script."""
    from matplotlib import __version_info__

    return __version_info__[:2] >= (3, 11)


def _draw_row(axes: Any, row: Sequence[TokenScore], labels: Sequence[str], highest: float) -> None:
    heights = [min(score.surprisal_bits, highest) for score in row]
    bars = axes.bar(
        range(len(row)),
        heights,
        width=0.8,
        color=[BACKGROUNDS[level(score.surprisal_bits)] for score in row],
        edgecolor="black",
        linewidth=0.6,
    )
    for bar, score in zip(bars, row, strict=True):
        if score.oov:
            bar.set(hatch="//", edgecolor=FOREGROUNDS[level(score.surprisal_bits)])
    short = all(_width(label) <= 3 for label in labels)
    axes.set_xticks(range(len(row)))
    rotation: dict[str, Any] = {} if short else {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
    # parse_math=False: a dollar sign does not start a formula.
    axes.set_xticklabels(labels, parse_math=False, fontsize=9, **rotation)
    axes.set_ylim(0, highest)
    axes.set_ylabel("surprisal in bits" + (" (hatched: OOV)" if any(score.oov for score in row) else ""), fontsize=8)
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)


def _label(score: TokenScore) -> str:
    label = "↵" if score.is_line_end else visible(score.text)
    return label if len(label) <= 16 else label[:15] + "…"


def _width(label: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in label)

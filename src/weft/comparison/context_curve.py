"""A plot of perplexity over context length: the length from which more context no longer helps each model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from weft.comparison.context_length import Measured
from weft.files import replace_atomically
from weft.presentation.palette import INK, SERIES
from weft.visualization.fonts import drawable, families_for

COLOURS = (*SERIES, INK)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", "--", "-.", ":")


def draw_context_curve(path: Path, measured: Sequence[Measured]) -> None:
    """Draw the perplexity of every model on the same sampled tokens into the PNG at `path`, replaced atomically.

    The lengths from 1 on have equal distances; the whole text before a token is last. Length 0 is left out: neural
    models are not trained without context and are far worse there. The unigram model shows that case.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    families, lacking = families_for({character for model in measured for character in model.name})
    with rc_context({"font.family": families}):
        figure = Figure(figsize=(7.5, 5), dpi=120, layout="constrained")
        FigureCanvasAgg(figure)  # needs no display, and does not change the backend of the program
        _draw(figure.add_subplot(), measured, [drawable(model.name, lacking) for model in measured])
        with replace_atomically(path) as file:
            figure.savefig(file, format="png")


def _draw(axes: Any, measured: Sequence[Measured], names: list[str]) -> None:
    lengths = [length for length in measured[0].by_context if length]
    for number, model in enumerate(measured):
        evaluations = [*(model.by_context[length] for length in lengths), model.sample]
        axes.plot(
            range(len(evaluations)),
            [evaluation.perplexity for evaluation in evaluations],
            color=COLOURS[number % len(COLOURS)],
            marker=MARKERS[number % len(MARKERS)],
            linestyle=LINES[number % len(LINES)],
            markersize=5,
        )
    axes.set_xticks(range(len(lengths) + 1), [*(f"{length:,}" for length in lengths), "all"])
    axes.set_yscale("log")
    _plain_numbers(axes)
    axes.set_xlabel("tokens of context")
    axes.set_ylabel("perplexity per token")
    axes.set_title(
        f"the same {measured[0].sample.loss.tokens:,} tokens, given only the last few before each", fontsize=10
    )
    axes.grid(alpha=0.3)
    legend = axes.legend(axes.get_lines(), names)
    for text in legend.get_texts():
        text.set_parse_math(False)


def _plain_numbers(axes: Any) -> None:
    from matplotlib.ticker import LogLocator

    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high > 10 * low else (1, 1.5, 2, 3, 4, 5, 7)))
    axes.yaxis.set_major_formatter("{x:,g}")
    axes.yaxis.set_minor_formatter("")

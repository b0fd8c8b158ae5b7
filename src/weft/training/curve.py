"""The learning curve as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from weft.files import replace_atomically
from weft.training.metrics import EpochMetrics

# Blue and vermilion of the palette of Okabe and Ito, told apart by every kind of eye; the marks differ too.
TRAINING: dict[str, Any] = {"color": "#0072B2", "marker": "o", "linestyle": "-", "label": "training"}
VALIDATION: dict[str, Any] = {"color": "#D55E00", "marker": "s", "linestyle": "--", "label": "validation"}


def draw_curve(path: Path, metrics: Sequence[EpochMetrics]) -> None:
    """Draw training and validation perplexity over epochs into the PNG at `path`, replaced atomically.

    The perplexity axis is logarithmic once it spans more than a factor of ten. Without any epoch nothing is drawn.
    """
    train = [(epoch.epoch, epoch.train_perplexity) for epoch in metrics if epoch.train_perplexity is not None]
    valid = [(epoch.epoch, epoch.valid_perplexity) for epoch in metrics if epoch.valid_perplexity is not None]
    if not train and not valid:
        return
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, MaxNLocator

    figure = Figure(figsize=(7, 4.5), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)  # draws without a display, and leaves the backend that others chose alone
    axes = figure.add_subplot()
    for points, style in ((train, TRAINING), (valid, VALIDATION)):
        if points:
            axes.plot(*zip(*points, strict=True), markersize=5, **style)
    perplexities = [perplexity for _, perplexity in train + valid]
    if max(perplexities) > 10 * min(perplexities):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:,g}")
        axes.yaxis.set_minor_formatter("")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
    axes.set_ylabel("perplexity per token")
    axes.grid(alpha=0.3)
    axes.legend()
    with replace_atomically(path) as file:
        figure.savefig(file, format="png")

"""Plots of a training run, as PNG files: the learning curve, and the loss of a learning-rate range test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from weft.files import replace_atomically
from weft.presentation.palette import BLUE, SKY_BLUE, VERMILION
from weft.training.lr_range_test import Sweep
from weft.training.metrics import EpochMetrics

TRAINING: dict[str, Any] = {"color": BLUE, "marker": "o", "linestyle": "-", "label": "training"}
VALIDATION: dict[str, Any] = {"color": VERMILION, "marker": "s", "linestyle": "--", "label": "validation"}


def draw_curve(path: Path, metrics: Sequence[EpochMetrics]) -> None:
    """Plot training and validation perplexity over epochs into the PNG at `path`, replaced atomically.

    The perplexity axis is logarithmic if it spans more than a factor of ten. Without epochs nothing is written.
    """
    train = [(epoch.epoch, epoch.train_perplexity) for epoch in metrics if epoch.train_perplexity is not None]
    valid = [(epoch.epoch, epoch.valid_perplexity) for epoch in metrics if epoch.valid_perplexity is not None]
    if train or valid:
        _save_plot(path, lambda axes: _plot_curve(axes, train, valid))


def draw_sweep(path: Path, sweep: Sweep) -> None:
    """Plot the loss over the learning rate, and the suggested rate, into the PNG at `path`, replaced atomically."""
    _save_plot(path, lambda axes: _plot_sweep(axes, sweep))


def _save_plot(path: Path, plot: Callable[[Any], None]) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)  # needs no display, and leaves the backend that the user has chosen as it is
    axes = figure.add_subplot()
    plot(axes)
    axes.grid(alpha=0.3)
    axes.legend()
    with replace_atomically(path) as file:
        figure.savefig(file, format="png")


def _plot_curve(axes: Any, train: Sequence[tuple[float, float]], valid: Sequence[tuple[float, float]]) -> None:
    from matplotlib.ticker import LogLocator, MaxNLocator

    for points, style in ((train, TRAINING), (valid, VALIDATION)):
        if points:
            axes.plot(*zip(*points, strict=True), markersize=5, **style)
    perplexities = [perplexity for _, perplexity in (*train, *valid)]
    if max(perplexities) > 10 * min(perplexities):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:,g}")
        axes.yaxis.set_minor_formatter("")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
    axes.set_ylabel("perplexity per token")


def _plot_sweep(axes: Any, sweep: Sweep) -> None:
    smoothed = sweep.smoothed
    axes.plot(sweep.rates, sweep.losses, ".", color=SKY_BLUE, markersize=4, label="one block after the step")
    axes.plot(sweep.rates, smoothed, "-", color=BLUE, label="smoothed")
    suggested = sweep.suggestion
    if suggested is not None:
        axes.axvline(suggested, color=VERMILION, linestyle="--", label=f"suggested: {suggested:.2g}")
    axes.set_xscale("log")
    highest, lowest = max(sweep.start, *smoothed[: sweep.lowest + 1]), min(smoothed)
    margin = 0.15 * max(highest - lowest, 0.1)
    axes.set_ylim(lowest - margin, highest + 2 * margin)  # losses that exploded are outside the plot
    axes.set_xlabel("learning rate")
    axes.set_ylabel("nats per token")

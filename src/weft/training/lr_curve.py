"""The learning-rate range test as a table and as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from weft.files import replace_atomically, write_text_atomically
from weft.training.lr_range_test import Sweep

HEADER = ("learning_rate", "nats_per_token", "smoothed_nats_per_token")


def write_sweep(path: Path, sweep: Sweep) -> None:
    """Write one row a step into the TSV at `path`, replaced atomically."""
    rows = zip(sweep.rates, sweep.losses, sweep.smoothed, strict=True)
    lines = ["\t".join(HEADER), *(f"{rate:.6g}\t{loss:.6f}\t{smoothed:.6f}" for rate, loss, smoothed in rows)]
    write_text_atomically(path, "\n".join(lines) + "\n")


def draw_sweep(path: Path, sweep: Sweep) -> None:
    """Draw the loss over the learning rate, and the suggestion, into the PNG at `path`, replaced atomically."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)  # draws without a display, and leaves the backend that others chose alone
    _draw(figure.add_subplot(), sweep)
    with replace_atomically(path) as file:
        figure.savefig(file, format="png")


def _draw(axes: Any, sweep: Sweep) -> None:
    smoothed = sweep.smoothed
    axes.plot(sweep.rates, sweep.losses, ".", color="#56B4E9", markersize=4, label="a block after the step")
    axes.plot(sweep.rates, smoothed, "-", color="#0072B2", label="without their noise")
    suggested = sweep.suggestion
    if suggested is not None:
        axes.axvline(suggested, color="#D55E00", linestyle="--", label=f"suggested: {suggested:.2g}")
    axes.set_xscale("log")
    highest, lowest = max(sweep.start, *smoothed[: sweep.lowest + 1]), min(smoothed)
    room = 0.15 * max(highest - lowest, 0.1)
    axes.set_ylim(lowest - room, highest + 2 * room)  # what explodes leaves the picture
    axes.set_xlabel("learning rate")
    axes.set_ylabel("nats per token")
    axes.grid(alpha=0.3)
    axes.legend()

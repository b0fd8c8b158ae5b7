"""Accuracies with their intervals, as fields of rows, text for people, and points of a plot."""

from __future__ import annotations

from weft.presentation.records import decimal
from weft.stimuli.accuracy import Accuracy
from weft.visualization.accuracy_plot import Point

COLUMNS = ("accuracy", "accuracy_low", "accuracy_high")
"""The share of correct ones and the bounds of its 95% interval."""


def fields(accuracy: Accuracy) -> list[float | None]:
    """The values of COLUMNS."""
    return [accuracy.share, *bounds(accuracy.interval())]


def bounds(interval: tuple[float, float] | None) -> tuple[float | None, float | None]:
    """Both bounds of an interval, None without one."""
    return (None, None) if interval is None else interval


def field(value: float | str | bool | None) -> str:
    """A value as the field of a row; an undefined one is empty, a truth value 0 or 1."""
    match value:
        case None:
            return ""
        case bool():
            return str(int(value))
        case float():
            return decimal(value)
        case _:
            return str(value)


def in_percent(accuracy: Accuracy) -> str:
    """The share, for people."""
    return "" if accuracy.share is None else f"{100 * accuracy.share:.1f}%"


def interval_in_percent(accuracy: Accuracy) -> str:
    """The interval, for people."""
    interval = accuracy.interval()
    return "" if interval is None else "–".join(f"{100 * bound:.1f}" for bound in interval)


def point(accuracy: Accuracy) -> Point | None:
    """The accuracy in a plot."""
    interval = accuracy.interval()
    return None if accuracy.share is None or interval is None else Point(accuracy.share, *interval)

"""One row of the figures: a case, the time or memory of each contender, and the ratios to weft."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.contender import FUSED, WEFT_NAMES, counterpart
from benchmarks.timing import Comparison

RATIO = "ratio_peer_to_weft"
UNITS: dict[str, Callable[[float, int], float]] = {
    "milliseconds_per_step": lambda seconds, tokens: 1e3 * seconds,
    "microseconds_per_token": lambda seconds, tokens: 1e6 * seconds / tokens,
    "tokens_per_second": lambda seconds, tokens: tokens / seconds,
}
"""Conversion of the seconds and the number of tokens of one call to a figure, by unit."""


@dataclass(frozen=True)
class Row:
    """The figures of one case.

    unit     quantity and unit, as in "milliseconds_per_step"
    figures  by contender, in `unit`
    ratios   by weft's contender, then by peer: the peer's time or memory divided by weft's
    missing  by contender without a figure: the reason
    facts    other data of the case, with units in the keys
    """

    case: str
    unit: str
    figures: Mapping[str, float]
    ratios: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The row as JSON values; the figures are under the key `unit`."""
        return {
            "case": self.case,
            **self.facts,
            self.unit: rounded(self.figures),
            RATIO: {weft: rounded(peers) for weft, peers in self.ratios.items()},
            "missing": dict(self.missing),
        }


@dataclass(frozen=True)
class Case:
    """A case to be measured; `measure` returns its row."""

    name: str
    measure: Callable[[], Row]


def timed_row(case: str, unit: str, tokens: int, result: Comparison, **facts: Any) -> Row:
    """The row of a comparison in which each call processes `tokens` tokens; `unit` is a key of UNITS."""
    figures = {name: UNITS[unit](seconds, tokens) for name, seconds in result.seconds.items()}
    facts |= {"tokens_per_call": tokens, "calls": result.calls}
    return Row(case, unit, figures, ratios(result.seconds), result.missing, facts)


def ratios(figures: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Each peer's time or memory divided by that of each of weft's contenders."""
    peers = {name: value for name, value in figures.items() if name not in WEFT_NAMES}
    measured = [weft for weft in WEFT_NAMES if weft in figures]
    return {weft: {name: value / figures[weft] for name, value in peers.items()} for weft in measured}


def ratio_of(peer: str, ratios: Mapping[str, Mapping[str, float]]) -> float | None:
    """The ratio of a peer to weft in the peer's precision, or to weft in float32 if that was not measured."""
    for weft in (counterpart(peer), FUSED):
        if peer in ratios.get(weft, {}):
            return ratios[weft][peer]
    return None


def rounded(figures: Mapping[str, float]) -> dict[str, float]:
    """The figures with four significant digits, more than repeated measurements agree in."""
    return {name: float(f"{value:.4g}") for name, value in figures.items()}

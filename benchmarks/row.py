"""One row of the figures: a case of a part, what everybody needed for it, and the ratios to ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.contender import FUSED, OURS, counterpart
from benchmarks.timing import Comparison

RATIO = "ratio_peer_to_weft"
UNITS: dict[str, Callable[[float, int], float]] = {
    "milliseconds_per_step": lambda seconds, tokens: 1e3 * seconds,
    "microseconds_per_token": lambda seconds, tokens: 1e6 * seconds / tokens,
    "tokens_per_second": lambda seconds, tokens: tokens / seconds,
}
"""From the seconds of a call and its tokens to a figure."""


@dataclass(frozen=True)
class Row:
    """`unit` names the quantity and its unit, as in "milliseconds_per_step"; `figures` has one of them for each name.

    ratios   by a name of ours and a name of a peer: how many times as long, or as much, the peer needs
    missing  why somebody has no figure
    facts    what else is known of the case, units in the names
    """

    case: str
    unit: str
    figures: Mapping[str, float]
    ratios: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The row as it is written; the unit is the name of what was measured."""
        return {
            "case": self.case,
            **self.facts,
            self.unit: rounded(self.figures),
            RATIO: {ours: rounded(peers) for ours, peers in self.ratios.items()},
            "missing": dict(self.missing),
        }


@dataclass(frozen=True)
class Case:
    """One row to be measured."""

    name: str
    measure: Callable[[], Row]


def timed_row(case: str, unit: str, tokens: int, result: Comparison, **facts: Any) -> Row:
    """The row of a comparison in which every call read so many tokens; `unit` is one of UNITS."""
    figures = {name: UNITS[unit](seconds, tokens) for name, seconds in result.seconds.items()}
    facts |= {"tokens_per_call": tokens, "calls": result.calls}
    return Row(case, unit, figures, ratios(result.seconds), result.missing, facts)


def ratios(needs: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """What each peer needs over what each of ours needs."""
    peers = {name: value for name, value in needs.items() if name not in OURS}
    return {ours: {name: value / needs[ours] for name, value in peers.items()} for ours in OURS if ours in needs}


def ratio_of(peer: str, ratios: Mapping[str, Mapping[str, float]]) -> float | None:
    """The ratio of a peer to the one of ours in its precision, or in float32 where there is none."""
    for ours in (counterpart(peer), FUSED):
        if peer in ratios.get(ours, {}):
            return ratios[ours][peer]
    return None


def rounded(figures: Mapping[str, float]) -> dict[str, float]:
    """To four digits, which is more than a repetition keeps."""
    return {name: float(f"{value:.4g}") for name, value in figures.items()}

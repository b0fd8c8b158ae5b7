"""The figures as people read them: a line for everybody who took part, under the case."""

from __future__ import annotations

from typing import Any

from benchmarks.row import Row, ratio_of

NAME_WIDTH = 26


def heading(about: str, unit: str) -> str:
    return f"\n{about} ({unit.replace('_', ' ')})"


def lines(row: Row) -> list[str]:
    """A row: figures, ratios to ours of the same precision (above 1: the peer needs more), and what else is known."""
    notes = {name: value for name, value in row.facts.items() if isinstance(value, dict) and name != "shape"}
    text = [f"  {row.case}"]
    for name, figure in row.figures.items():
        ratio = ratio_of(name, row.ratios)
        shown = "" if ratio is None else f"{ratio:.2f}x"
        text.append(f"    {name:{NAME_WIDTH}}{number(figure):>12}{shown:>10}  {note(name, notes)}".rstrip())
    text += [f"    {name:{NAME_WIDTH}}{'-':>12}  {reason}" for name, reason in row.missing.items()]
    return text


def note(name: str, facts: dict[str, dict[str, Any]]) -> str:
    share = facts.get("products_share_of_sgemm_rate", {}).get(name)
    working = facts.get("working_megabytes_above_parameters", {}).get(name)
    said = [] if share is None else [f"{100 * share:.0f}% of sgemm"]
    return "; ".join(said if working is None else [*said, f"{working:.0f} MB of it working memory"])


def number(value: float) -> str:
    """Three digits at least, thousands apart."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3g}" if value < 1 else f"{value:.2f}"

"""Figures as text: one line per contender below the name of the case."""

from __future__ import annotations

from typing import Any

from benchmarks.row import Row, ratio_of

NAME_WIDTH = 26


def heading(about: str, unit: str) -> str:
    """The title of a part, with its unit."""
    return f"\n{about} ({unit.replace('_', ' ')})"


def lines(row: Row) -> list[str]:
    """Lines of one row: figures, ratios to weft in the same precision (above 1: weft needs less), and notes."""
    notes = {name: value for name, value in row.facts.items() if isinstance(value, dict) and name != "shape"}
    text = [f"  {row.case}"]
    for name, figure in row.figures.items():
        ratio = ratio_of(name, row.ratios)
        shown = "" if ratio is None else f"{ratio:.2f}x"
        text.append(f"    {name:{NAME_WIDTH}}{number(figure):>12}{shown:>10}  {note(name, notes)}".rstrip())
    text += [f"    {name:{NAME_WIDTH}}{'-':>12}  {reason}" for name, reason in row.missing.items()]
    return text


def note(name: str, facts: dict[str, dict[str, Any]]) -> str:
    """Share of the sgemm rate and working memory of a contender, if measured."""
    share = facts.get("products_share_of_sgemm_rate", {}).get(name)
    working = facts.get("working_megabytes_above_parameters", {}).get(name)
    notes = [] if share is None else [f"{100 * share:.0f}% of sgemm"]
    return "; ".join(notes if working is None else [*notes, f"{working:.0f} MB working memory"])


def number(value: float) -> str:
    """The value with at least three significant digits and thousands separators."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3g}" if value < 1 else f"{value:.2f}"

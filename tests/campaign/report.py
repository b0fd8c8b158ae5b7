"""The results of a campaign: as a table of the terminal, as JSON, and as a page of the documentation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.pages import markdown
from benchmarks.revision import revision
from campaign.kind import Kind, Verdict
from campaign.kinds import KINDS
from campaign.runner import Outcome

HEADER = ["kind", "cases", "refused", "same output", "other output", "failures", "seconds", "seed"]
Row = dict[str, Any]


def row_of(kind: Kind, outcome: Outcome, seed: int) -> Row:
    """The result of a kind at the commit that is checked out."""
    counts = outcome.verdicts
    return {
        "cases": outcome.cases,
        "refused": counts[Verdict.REFUSED],
        "same output": counts[Verdict.SAME],
        "other output": counts[Verdict.OTHER],
        "failures": len(outcome.failures),
        "seconds": round(outcome.seconds),
        "seed": seed,
        "measured": revision("src"),
    }


def text_table(rows: dict[str, Row]) -> str:
    """The rows in columns."""
    lines = [HEADER, *(_cells(name, row) for name, row in rows.items())]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) if place == 0 else cell.rjust(width) for place, (cell, width) in enumerate(cells))
        for cells in (list(zip(line, widths, strict=True)) for line in lines)
    )


def page(rows: dict[str, Row]) -> str:
    """The page of the documentation."""
    run = [[*_cells(name, row), _at(row)] for name, row in rows.items()]
    return f"""# Campaign

<!-- written by: python -m scripts campaign --record -->

A campaign disturbs weft at random, from a seed, and looks whether it does what it documents. `python -m scripts
campaign` runs it; `CONTRIBUTING.md` says how. The tests run a short form of every kind. Each case has
one of these verdicts, or is a failure:

| verdict | meaning |
| --- | --- |
| refused | exit code 2 and one line of error of less than 500 characters, without control characters; no output |
| same output | exit code 0 and the result of the undisturbed command, to the last bit |
| other output | exit code 0 and possible numbers, where a file has no digest: finite, perplexities ≥ 1, ln P ≤ 0 |

A hang of 20 seconds, a crash of the process and 300 MB of additional memory are failures too.

## Results

{markdown([[*HEADER, "at"], *run])}

## Kinds

{_kinds()}
"""


def _kinds() -> str:
    return "\n\n".join(f"### {kind.name}\n\n{kind.about}" for kind in KINDS.values())


def _cells(name: str, row: Row) -> list[str]:
    return [name, *(f"{row[column]:,}" if column != "seed" else str(row[column]) for column in HEADER[1:])]


def _at(row: Row) -> str:
    measured = row["measured"]
    if not measured:
        return "an unknown commit"
    return f"{measured['date']}, {measured['commit'][:7]}" + (", changed" if measured["changed"] else "")


def read_rows(path: Path) -> dict[str, Row]:
    """The recorded rows by kind, in the order of the kinds; none if there is no file."""
    rows = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return {name: rows[name] for name in KINDS if name in rows}


def written(rows: dict[str, Row]) -> str:
    """The rows as JSON."""
    return json.dumps({name: rows[name] for name in KINDS if name in rows}, indent=1) + "\n"

"""Run the campaign: `python -m scripts campaign [--kind NAME] [--count N] [--seed S]`.

Random kills, damaged files, odd texts, full disks, double starts and long streams; `docs/campaign.md` describes the
kinds. It needs Linux. A failure is one line, which can be pasted into REGRESSIONS of its file in `tests/campaign`;
such cases run first. The long form of all kinds takes hours.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from campaign.kinds import KINDS
from campaign.report import page, read_rows, row_of, text_table, written
from campaign.runner import run_kind
from scripts import ROOT
from scripts.documentation import DOCS
from weft.backends.cpu_cores import available_cores
from weft.files import write_text_atomically

RESULTS = ROOT / "tests" / "campaign" / "results.json"
PAGE = DOCS / "campaign.md"
REASON = 400
"""Characters of the reason of a failure that are shown."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts campaign", description=__doc__)
    parser.add_argument("--kind", choices=list(KINDS), action="append", help="only this kind; may be repeated")
    parser.add_argument("--count", type=int, help="cases of each kind, besides the regressions")
    parser.add_argument("--seed", type=int, default=1, help="of the random cases (default: %(default)s)")
    parser.add_argument("--short", action="store_true", help="the form that the tests run")
    parser.add_argument("--jobs", type=int, default=available_cores(), help="processes (default: the cores)")
    parser.add_argument("--record", action="store_true", help=f"write the results to {PAGE.relative_to(ROOT)}")
    options = parser.parse_args(arguments)
    if not sys.platform.startswith("linux"):
        parser.error("the campaign needs Linux: it looks at processes and their memory in /proc")
    rows = {}
    for name in options.kind or KINDS:
        kind = KINDS[name]
        print(f"{name}, seed {options.seed}", flush=True)
        outcome = run_kind(kind, kind.cases(options.seed, options.count, options.short), options.jobs, report_failure)
        rows[name] = row_of(kind, outcome, options.seed)
        if options.record:
            recorded = read_rows(RESULTS) | {name: rows[name]}
            write_text_atomically(RESULTS, written(recorded))
            write_text_atomically(PAGE, page(read_rows(RESULTS)))
    print(text_table(rows))
    return 1 if any(row["failures"] for row in rows.values()) else 0


def report_failure(case: Any, reason: str) -> None:
    """Print the line for REGRESSIONS and the reason as a comment."""
    print(f"{case!r},  # {' '.join(reason.split())[:REASON]}", flush=True)


if __name__ == "__main__":
    sys.exit(main())

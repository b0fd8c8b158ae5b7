"""Generate the README's speed table from `results/reference.json`: `python -m benchmarks.readme`.

The text between two marker lines is replaced; the marker lines stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks import ROOT
from benchmarks.contender import WEFT_NAMES
from benchmarks.pages import MICROSECONDS_PER_TOKEN, REFERENCE, TOKENS_PER_SECOND, all_figures, markdown, processor
from benchmarks.tables import number
from weft.errors import InputError
from weft.files import write_text_atomically

README = ROOT / "README.md"
BEGIN, END = "<!-- figures: begin; `python -m benchmarks.readme` writes them -->", "<!-- figures: end -->"


@dataclass(frozen=True)
class TableRow:
    """A row of the table: the figures under `key` of the case `case` of the part `part`."""

    label: str
    part: str
    case: str
    key: str
    unit: str
    larger_is_better: bool = False


TABLE_ROWS = (
    TableRow("training step, RNN, V=418, H=100", "training", "seed", "milliseconds_per_step", "ms"),
    TableRow("training step, 2 LSTM layers, V=10,000, H=200", "training", "ptb-small", "milliseconds_per_step", "ms"),
    TableRow("training step, 2 LSTM layers, V=10,000, H=650", "training", "ptb-medium", "milliseconds_per_step", "ms"),
    TableRow("scoring a text, H=200", "scoring", "ptb-small", TOKENS_PER_SECOND, "tokens/s", larger_is_better=True),
    TableRow("next token, one session, H=200", "streaming", "word-200, batch 1", MICROSECONDS_PER_TOKEN, "µs"),
    TableRow("next tokens, 16 sessions, H=200", "streaming", "word-200, batch 16", TOKENS_PER_SECOND, "tokens/s", True),
)

HEADER = ["", "weft float32", "bfloat16", "int8", "fastest other, float32", "fastest other"]


def main() -> None:
    write_text_atomically(README, with_figures(README.read_text("utf-8"), all_figures()[REFERENCE.partition(".")[0]]))


def with_figures(readme: str, figures: dict[str, Any]) -> str:
    """The README with the table of `figures` between the markers. Raises InputError as `with_section`."""
    return with_section(readme, BEGIN, speed_table(figures), END)


def with_section(readme: str, begin: str, text: str, end: str) -> str:
    """The README with `text` between two markers. Raises InputError unless each marker occurs exactly once."""
    if readme.count(begin) != 1 or readme.count(end) != 1:
        raise InputError(f"the README must contain the lines {begin} and {end} once each")
    before, rest = readme.split(begin)
    return "\n".join([before + begin, text, end]) + rest.split(end)[1]


def speed_table(figures: dict[str, Any]) -> str:
    """The rows of TABLE_ROWS and, below them, processor, cores and commit."""
    rows = [row for line in TABLE_ROWS if (row := _row(line, figures))]
    at, machine = figures.get("measured"), figures["machine"]
    commit = f", commit {at['commit'][:7]} of {at['date']}" if at else ""
    where = f"{processor(machine)}, {machine['cores']} cores{commit}."
    return f"{markdown([HEADER, *rows])}\n\n{where}"


def _row(line: TableRow, figures: dict[str, Any]) -> list[str] | None:
    """The cells of a row; None if the case was not measured."""
    measured = next((row[line.key] for row in figures.get(line.part, []) if row["case"] == line.case), None)
    if measured is None:
        return None
    weft = [f"{number(measured[name])} {line.unit}" if name in measured else "—" for name in WEFT_NAMES]
    others = {name: figure for name, figure in measured.items() if not name.startswith("weft")}
    in_float32 = {name: figure for name, figure in others.items() if not name.endswith(("bf16", "int8"))}
    return [line.label, *weft, *(_best(line, group) for group in (in_float32, others))]


def _best(line: TableRow, figures: dict[str, float]) -> str:
    """The best of `figures` and the library it belongs to."""
    if not figures:
        return "—"
    name = (max if line.larger_is_better else min)(figures, key=lambda name: figures[name])
    return f"{number(figures[name])} {line.unit} ({name})"


if __name__ == "__main__":
    main()

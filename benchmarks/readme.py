"""The speed table in the README, written from figures: `python -m benchmarks.readme`.

The table is between two marks, which stay; the text between them is replaced, so that no figure is typed by hand. The
figures are those of `results/reference.json`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks import ROOT
from benchmarks.contender import OURS
from benchmarks.pages import BATCH_1, REFERENCE, TOGETHER, all_figures, markdown, processor
from benchmarks.tables import number
from weft.errors import InputError
from weft.files import write_text_atomically

README = ROOT / "README.md"
BEGIN, END = "<!-- figures: begin; `python -m benchmarks.readme` writes them -->", "<!-- figures: end -->"


@dataclass(frozen=True)
class Line:
    """A row of the table: `case` of `part` in the figures, under `key`; whether the larger figure is the better."""

    what: str
    part: str
    case: str
    key: str
    unit: str
    larger_is_better: bool = False


LINES = (
    Line("training step, RNN, V=418, H=100", "training", "seed", "milliseconds_per_step", "ms"),
    Line("training step, 2 LSTM layers, V=10,000, H=200", "training", "ptb-small", "milliseconds_per_step", "ms"),
    Line("training step, 2 LSTM layers, V=10,000, H=650", "training", "ptb-medium", "milliseconds_per_step", "ms"),
    Line("scoring a text, H=200", "scoring", "ptb-small", TOGETHER, "tokens/s", larger_is_better=True),
    Line("next token, one session, H=200", "streaming", "word-200, batch 1", BATCH_1, "µs"),
    Line("next tokens, 16 sessions, H=200", "streaming", "word-200, batch 16", TOGETHER, "tokens/s", True),
)

HEADER = ["", "weft float32", "bfloat16", "int8", "fastest other, float32", "fastest other"]


def main() -> None:
    write_text_atomically(README, with_figures(README.read_text("utf-8"), all_figures()[REFERENCE.partition(".")[0]]))


def with_figures(readme: str, figures: dict[str, Any]) -> str:
    """The README with these figures between the marks; raises InputError when it has not one of each."""
    return with_section(readme, BEGIN, speed_table(figures), END)


def with_section(readme: str, begin: str, text: str, end: str) -> str:
    """The README with this text between two marks; raises InputError when it has not one of each."""
    if readme.count(begin) != 1 or readme.count(end) != 1:
        raise InputError(f"the README must have the lines {begin} and {end} once each")
    before, rest = readme.split(begin)
    return "\n".join([before + begin, text, end]) + rest.split(end)[1]


def speed_table(figures: dict[str, Any]) -> str:
    """The six rows and, under them, what they were measured on."""
    rows = [row for line in LINES if (row := _row(line, figures))]
    at, machine = figures.get("measured"), figures["machine"]
    commit = f", commit {at['commit'][:7]} of {at['date']}" if at else ""
    where = f"{processor(machine)}, {machine['cores']} cores{commit}."
    return f"{markdown([HEADER, *rows])}\n\n{where}"


def _row(line: Line, figures: dict[str, Any]) -> list[str] | None:
    """The cells of a row; None where the case was not measured."""
    measured = next((row[line.key] for row in figures.get(line.part, []) if row["case"] == line.case), None)
    if measured is None:
        return None
    own = [f"{number(measured[name])} {line.unit}" if name in measured else "—" for name in OURS]
    others = {name: figure for name, figure in measured.items() if not name.startswith("weft")}
    in_float32 = {name: figure for name, figure in others.items() if not name.endswith(("bf16", "int8"))}
    return [line.what, *own, *(_best(line, among) for among in (in_float32, others))]


def _best(line: Line, figures: dict[str, float]) -> str:
    """The best figure of other libraries and whose it is."""
    if not figures:
        return "—"
    name = (max if line.larger_is_better else min)(figures, key=lambda name: figures[name])
    return f"{number(figures[name])} {line.unit} ({name})"


if __name__ == "__main__":
    main()

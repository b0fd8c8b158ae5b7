"""The tables in the README, written from the figures of runs: `python -m benchmarks.readme`.

They stand between two marks, which stay; what is between them is replaced, so that no figure is ever typed by hand. The
figures are those of `results/reference.json`, and, folded up, those of the other files beside it, of other machines.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks import ROOT
from benchmarks.contender import FUSED
from benchmarks.row import RATIO, ratio_of
from benchmarks.tables import number
from weft.errors import InputError
from weft.files import write_text_atomically

README = ROOT / "README.md"
RESULTS = ROOT / "benchmarks" / "results"
REFERENCE = "reference.json"
BEGIN, END = "<!-- figures: begin; `python -m benchmarks.readme` writes them -->", "<!-- figures: end -->"
BATCH_1, TOGETHER = "microseconds_per_token", "tokens_per_second"
Rows = list[dict[str, Any]]


def main() -> None:
    write_text_atomically(README, with_figures(README.read_text("utf-8"), *all_figures(RESULTS)))


def all_figures(folder: Path) -> list[dict[str, Any]]:
    """The figures of the reference machine, and then of the others by the names of their files."""
    files = sorted(folder.glob("*.json"), key=lambda file: (file.name != REFERENCE, file.name))
    return [json.loads(file.read_text("utf-8")) for file in files]


def with_figures(readme: str, figures: dict[str, Any], *others: dict[str, Any]) -> str:
    """The README with these figures between the marks; raises InputError when it has not one of each."""
    return with_section(readme, BEGIN, "\n\n".join([section(figures), *map(folded, others)]), END)


def folded(figures: dict[str, Any]) -> str:
    """A section that is shown when somebody asks for it."""
    summary = f"<details>\n<summary>The same on {processor(figures['machine'])}</summary>"
    return "\n\n".join([summary, section(figures), "</details>"])


def with_section(readme: str, begin: str, text: str, end: str) -> str:
    """The README with this text between two marks; raises InputError when it has not one of each."""
    if readme.count(begin) != 1 or readme.count(end) != 1:
        raise InputError(f"the README must have the lines {begin} and {end} once each")
    before, rest = readme.split(begin)
    return "\n".join([before + begin, text, end]) + rest.split(end)[1]


def section(figures: dict[str, Any]) -> str:
    """All tables, those left out of which nothing was measured."""
    streaming = figures.get("streaming", [])
    parts = [
        machine(figures["machine"]),
        *filter(None, [figures.get("note")]),
        *table("training step, ms", figures.get("training", []), "milliseconds_per_step"),
        *table("scoring, tokens/s", figures.get("scoring", []), TOGETHER),
        *table("one token, µs", [row for row in streaming if BATCH_1 in row], BATCH_1),
        *table("sessions together, tokens/s", [row for row in streaming if TOGETHER in row], TOGETHER),
        *table("peak memory, MB", figures.get("memory", []), "peak_megabytes"),
        *map(working_memory, figures.get("memory", [])),
        *map(cold_start, figures.get("start", [])),
        *map(corpora, figures.get("corpus", [])),
    ]
    return "\n\n".join(parts)


def machine(about: dict[str, Any]) -> str:
    versions = about["versions"]
    named = {"numpy": "NumPy", "torch": "PyTorch", "onnxruntime": "ONNX Runtime"}
    peers = ", ".join(f"{name} {versions[package]}" for package, name in named.items() if package in versions)
    return (
        f"{processor(about)}, {about['cores']} cores; {peers}; NumPy's float32 product of large matrices runs at "
        f"{about['sgemm_gflop_per_second']:.0f} GFLOP/s. In brackets, how many times as much time or memory as weft's "
        "kernels in the same precision."
    )


def processor(about: dict[str, Any]) -> str:
    """Its name and, where they are known, what it can do."""
    instructions = ", ".join(about.get("instructions", []))
    return f"{about['processor']} ({instructions})" if instructions else f"{about['processor']}"


def table(title: str, rows: Rows, unit: str) -> list[str]:
    """A row for each case, a column for everybody; and who is missing, and why."""
    if not rows:
        return []
    names = list(dict.fromkeys(name for row in rows for name in row[unit]))
    shares = any("products_share_of_sgemm_rate" in row for row in rows)
    header = [title, "V, N, T, D, H, cell", *names, *(["weft's products, of sgemm"] if shares else [])]
    lines = [[row["case"], shape(row), *cells(row, unit, names)] for row in rows]
    if shares:
        for line, row in zip(lines, rows, strict=True):
            share = row["products_share_of_sgemm_rate"].get(FUSED)
            line.append("—" if share is None else f"{100 * share:.0f}%")
    return [markdown([header, *lines]), *absences(rows)]


def cells(row: dict[str, Any], unit: str, names: list[str]) -> list[str]:
    """Everybody's figure, with the ratio where there is one."""
    shown = []
    for name in names:
        if name not in row[unit]:
            shown.append("—")
            continue
        ratio = ratio_of(name, row[RATIO])
        shown.append(number(row[unit][name]) + ("" if ratio is None else f" ({ratio:.2f})"))
    return shown


def absences(rows: Rows) -> list[str]:
    """One sentence for each name and reason."""
    cases: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for name, reason in row["missing"].items():
            cases.setdefault((name, reason), []).append(row["case"])
    return [f"{name}, {', '.join(of)}: {reason}." for (name, reason), of in cases.items()]


def shape(row: dict[str, Any]) -> str:
    of = row["shape"]
    layers = f" ×{of['layers']}" if of["layers"] > 1 else ""
    return f"{of['V']:,}, {of['N']}, {of['T']}, {of['D']}, {of['H']}{layers}, {of['cell'].upper()}"


def working_memory(row: dict[str, Any]) -> str:
    needs = ", ".join(f"{name} {number(need)}" for name, need in row["working_megabytes_above_parameters"].items())
    parameters = number(row["parameter_megabytes"])
    return f"At {row['case']}, in MB, beside the libraries and {parameters} MB of parameters: {needs}."


def cold_start(row: dict[str, Any]) -> str:
    seconds = ", ".join(f"`{name}` {value:.2g} s" for name, value in row["seconds"].items())
    return f"From a cold start: {seconds}."


def corpora(row: dict[str, Any]) -> str:
    """A column for each size; names are "kind, size MB"."""
    kinds: dict[str, dict[str, str]] = {}
    for name, value in row[BATCH_1].items():
        kind, size = name.split(", ")
        kinds.setdefault(kind, {})[size] = number(value)
    sizes = list(dict.fromkeys(size for costs in kinds.values() for size in costs))
    rows = [[kind, *(costs.get(size, "—") for size in sizes)] for kind, costs in kinds.items()]
    return markdown([["µs a token, by corpus (token ids on disk)", *sizes], *rows])


def markdown(lines: list[list[str]]) -> str:
    """A table; the first line is its header."""
    lines = [lines[0], ["---"] * len(lines[0]), *lines[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()

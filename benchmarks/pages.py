"""The documentation's benchmark pages: one for each file of figures in `results`, written when the site is built."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks import ROOT
from benchmarks.contender import FUSED
from benchmarks.revision import kernel_commits_since
from benchmarks.row import RATIO, ratio_of
from benchmarks.tables import number

RESULTS = ROOT / "benchmarks" / "results"
REFERENCE = "reference.json"
BATCH_1, TOGETHER = "microseconds_per_token", "tokens_per_second"
SHAPE = ["V", "N", "T", "D", "H", "layers", "cell"]
MODELS = ("training", "scoring", "streaming", "memory")
"""The parts whose cases are models."""
Rows = list[dict[str, Any]]


def all_figures(folder: Path = RESULTS) -> dict[str, dict[str, Any]]:
    """The figures in a folder by the names of their files without ending, those of the reference machine first."""
    files = sorted(folder.glob("*.json"), key=lambda file: (file.name != REFERENCE, file.name))
    return {file.stem: json.loads(file.read_text("utf-8")) for file in files}


def benchmark_pages(folder: Path = RESULTS) -> dict[str, str]:
    """Markdown by the name of the page, one page for each file of figures in `folder`."""
    return {name: page(figures) for name, figures in all_figures(folder).items()}


def page(figures: dict[str, Any]) -> str:
    """All tables of one processor; parts that were not measured are left out."""
    streaming = figures.get("streaming", [])
    parts = [
        f"# {processor(figures['machine'])}",
        measured(figures),
        machine(figures["machine"]),
        *filter(None, [figures.get("note")]),
        *section("Training", "ms per step", figures.get("training", []), "milliseconds_per_step"),
        *section("Scoring", "tokens/s", figures.get("scoring", []), TOGETHER),
        *section("Streaming, one session", "µs per token", [row for row in streaming if BATCH_1 in row], BATCH_1),
        *section("Streaming, many sessions", "tokens/s", [row for row in streaming if TOGETHER in row], TOGETHER),
        *section("Memory", "peak, MB", figures.get("memory", []), "peak_megabytes"),
        *map(working_memory, figures.get("memory", [])),
        *map(cold_start, figures.get("start", [])),
        *map(corpora, figures.get("corpus", [])),
        *cases(figures),
    ]
    return "\n\n".join(parts) + "\n"


def measured(figures: dict[str, Any]) -> str:
    """When the figures were measured, at which commit, and whether they are of the kernels as they are now."""
    at = figures.get("measured")
    if not at:
        return "It is not recorded at which commit these figures were measured."
    stated = f"Measured on {at['date']} at commit {at['commit'][:7]}"
    stated += ", with changes that were not committed." if at.get("changed") else "."
    count = kernel_commits_since(at["commit"])
    if count is None:
        return f"{stated} Whether the kernels have changed since cannot be told here: this build has no git history."
    if count == 0:
        return f"{stated} The kernels have not changed since."
    commits = "1 commit has" if count == 1 else f"{count} commits have"
    return f"{stated} **Measured at an older commit: {commits} changed the kernels since.**"


def machine(about: dict[str, Any]) -> str:
    versions = about["versions"]
    named = {"numpy": "NumPy", "torch": "PyTorch", "onnxruntime": "ONNX Runtime"}
    peers = ", ".join(f"{name} {versions[package]}" for package, name in named.items() if package in versions)
    return (
        f"{about['cores']} cores; {peers}; a product of large float32 matrices in NumPy runs at "
        f"{about['sgemm_gflop_per_second']:.0f} GFLOP/s. Numbers in parentheses: the time or memory that the library "
        "needs, divided by what weft's kernels need in the same precision. Above 1, weft needs less."
    )


def processor(about: dict[str, Any]) -> str:
    """The name of the processor and, where they are recorded, the instruction sets that the kernels use."""
    instructions = ", ".join(about.get("instructions", []))
    return f"{about['processor']} ({instructions})" if instructions else f"{about['processor']}"


def section(title: str, unit: str, rows: Rows, key: str) -> list[str]:
    """A heading and its table, and the reasons for missing figures; nothing without rows. key: where figures are."""
    return [f"## {title}", table(unit, rows, key), *absences(rows)] if rows else []


def table(unit: str, rows: Rows, key: str) -> str:
    """A row for each case, a column for each library."""
    names = list(dict.fromkeys(name for row in rows for name in row[key]))
    shares = any("products_share_of_sgemm_rate" in row for row in rows)
    header = [unit, *names, *(["weft's products, of sgemm"] if shares else [])]
    lines = [[row["case"], *cells(row, key, names)] for row in rows]
    if shares:
        for line, row in zip(lines, rows, strict=True):
            share = row["products_share_of_sgemm_rate"].get(FUSED)
            line.append("—" if share is None else f"{100 * share:.0f}%")
    return markdown([header, *lines])


def cells(row: dict[str, Any], key: str, names: list[str]) -> list[str]:
    """The figure of each library, with its ratio to weft's where there is one."""
    shown = []
    for name in names:
        if name not in row[key]:
            shown.append("—")
            continue
        ratio = ratio_of(name, row[RATIO])
        shown.append(number(row[key][name]) + ("" if ratio is None else f" ({ratio:.2f})"))
    return shown


def absences(rows: Rows) -> list[str]:
    """One sentence for each library and reason."""
    cases: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for name, reason in row["missing"].items():
            cases.setdefault((name, reason), []).append(row["case"])
    return [f"{name}, {', '.join(of)}: {reason}." for (name, reason), of in cases.items()]


def cases(figures: dict[str, Any]) -> list[str]:
    """The shapes of all cases: vocabulary, streams, steps, embedding and hidden size, layers and cell of the model."""
    shapes = {(part, row["case"]): row["shape"] for part in MODELS for row in figures.get(part, []) if "shape" in row}
    lines = [[part, case, *shape(of)] for (part, case), of in shapes.items()]
    return [f"## Cases\n\n{markdown([['part', 'case', *SHAPE], *lines])}"] if lines else []


def shape(of: dict[str, Any]) -> list[str]:
    sizes = [f"{of[name]:,}" for name in SHAPE[:-1]]
    return [*sizes, of["cell"].upper()]


def working_memory(row: dict[str, Any]) -> str:
    needs = ", ".join(f"{name} {number(need)}" for name, need in row["working_megabytes_above_parameters"].items())
    parameters = number(row["parameter_megabytes"])
    return f"{row['case']}, MB without the libraries and the parameters ({parameters} MB): {needs}."


def cold_start(row: dict[str, Any]) -> str:
    rows = [[f"`{name}`", f"{value:.2g}"] for name, value in row["seconds"].items()]
    return f"## Cold start\n\n{markdown([['a new process', 's'], *rows])}"


def corpora(row: dict[str, Any]) -> str:
    """A column for each size; the names in the row are "kind, size MB"."""
    kinds: dict[str, dict[str, str]] = {}
    for name, value in row[BATCH_1].items():
        kind, size = name.split(", ")
        kinds.setdefault(kind, {})[size] = number(value)
    sizes = list(dict.fromkeys(size for costs in kinds.values() for size in costs))
    rows = [[kind, *(costs.get(size, "—") for size in sizes)] for kind, costs in kinds.items()]
    return f"## Size of the corpus\n\n{markdown([['µs per token, by token ids on disk', *sizes], *rows])}"


def markdown(lines: list[list[str]]) -> str:
    """A table; the first line is its header."""
    lines = [lines[0], ["---"] * len(lines[0]), *lines[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

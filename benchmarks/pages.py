"""Benchmark pages of the documentation: one per JSON file in `results`, generated when the site is built."""

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
MICROSECONDS_PER_TOKEN, TOKENS_PER_SECOND = "microseconds_per_token", "tokens_per_second"
SHAPE = ["V", "N", "T", "D", "H", "layers", "cell"]
MODELS = ("training", "scoring", "streaming", "memory")
"""Parts whose cases have the shape of a model."""
Rows = list[dict[str, Any]]


def all_figures(folder: Path = RESULTS) -> dict[str, dict[str, Any]]:
    """Figures by file name without suffix, the reference machine first."""
    files = sorted(folder.glob("*.json"), key=lambda file: (file.name != REFERENCE, file.name))
    return {file.stem: json.loads(file.read_text("utf-8")) for file in files}


def benchmark_pages(folder: Path = RESULTS) -> dict[str, str]:
    """Markdown by page name, one page per JSON file in `folder`."""
    return {name: page(figures) for name, figures in all_figures(folder).items()}


def page(figures: dict[str, Any]) -> str:
    """All tables of one processor; parts that were not measured are omitted."""
    streaming = figures.get("streaming", [])
    one_session = [row for row in streaming if MICROSECONDS_PER_TOKEN in row]
    many_sessions = [row for row in streaming if TOKENS_PER_SECOND in row]
    parts = [
        f"# {processor(figures['machine'])}",
        measured(figures),
        machine(figures["machine"]),
        *filter(None, [figures.get("note")]),
        *section("Training", "ms per step", figures.get("training", []), "milliseconds_per_step"),
        *section("Scoring", "tokens/s", figures.get("scoring", []), TOKENS_PER_SECOND),
        *section("Streaming, one session", "µs per token", one_session, MICROSECONDS_PER_TOKEN),
        *section("Streaming, many sessions", "tokens/s", many_sessions, TOKENS_PER_SECOND),
        *section("Memory", "peak, MB", figures.get("memory", []), "peak_megabytes"),
        *map(working_memory, figures.get("memory", [])),
        *map(cold_start, figures.get("start", [])),
        *map(corpora, figures.get("corpus", [])),
        *case_shapes(figures),
    ]
    return "\n\n".join(parts) + "\n"


def measured(figures: dict[str, Any]) -> str:
    """Date and commit of the measurement, and whether the kernels have changed since."""
    at = figures.get("measured")
    if not at:
        return "It is not recorded at which commit these figures were measured."
    measurement = f"Measured on {at['date']} at commit {at['commit'][:7]}"
    measurement += ", with uncommitted changes." if at.get("changed") else "."
    count = kernel_commits_since(at["commit"])
    if count is None:
        return f"{measurement} Whether the kernels have changed since is unknown: this build has no git history."
    if count == 0:
        return f"{measurement} The kernels have not changed since."
    commits = "1 commit has" if count == 1 else f"{count} commits have"
    return f"{measurement} **Measured at an older commit: {commits} changed the kernels since.**"


def machine(about: dict[str, Any]) -> str:
    """Cores, library versions and NumPy's rate, and how to read the ratios."""
    versions = about["versions"]
    named = {"numpy": "NumPy", "torch": "PyTorch", "onnxruntime": "ONNX Runtime"}
    peers = ", ".join(f"{name} {versions[package]}" for package, name in named.items() if package in versions)
    return (
        f"{about['cores']} cores; {peers}; a product of large float32 matrices in NumPy runs at "
        f"{about['sgemm_gflop_per_second']:.0f} GFLOP/s. Numbers in parentheses: time or memory of the library "
        "divided by that of weft's kernels in the same precision. Above 1, weft needs less."
    )


def processor(about: dict[str, Any]) -> str:
    """The name of the processor and, if recorded, the instruction sets that the kernels use."""
    instructions = ", ".join(about.get("instructions", []))
    return f"{about['processor']} ({instructions})" if instructions else f"{about['processor']}"


def section(title: str, unit: str, rows: Rows, key: str) -> list[str]:
    """A heading, a table of the figures under `key`, and reasons for missing figures; nothing without rows."""
    return [f"## {title}", table(unit, rows, key), *missing_reasons(rows)] if rows else []


def table(unit: str, rows: Rows, key: str) -> str:
    """One row per case, one column per library."""
    names = list(dict.fromkeys(name for row in rows for name in row[key]))
    shares = any("products_share_of_sgemm_rate" in row for row in rows)
    header = [unit, *names, *(["share of sgemm rate, weft"] if shares else [])]
    lines = [[row["case"], *cells(row, key, names)] for row in rows]
    if shares:
        for line, row in zip(lines, rows, strict=True):
            share = row["products_share_of_sgemm_rate"].get(FUSED)
            line.append("—" if share is None else f"{100 * share:.0f}%")
    return markdown([header, *lines])


def cells(row: dict[str, Any], key: str, names: list[str]) -> list[str]:
    """The figure of each library, with its ratio to weft's in parentheses."""
    shown = []
    for name in names:
        if name not in row[key]:
            shown.append("—")
            continue
        ratio = ratio_of(name, row[RATIO])
        shown.append(number(row[key][name]) + ("" if ratio is None else f" ({ratio:.2f})"))
    return shown


def missing_reasons(rows: Rows) -> list[str]:
    """One sentence per library and reason."""
    cases: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for name, reason in row["missing"].items():
            cases.setdefault((name, reason), []).append(row["case"])
    return [f"{name}, {', '.join(affected)}: {reason}." for (name, reason), affected in cases.items()]


def case_shapes(figures: dict[str, Any]) -> list[str]:
    """A table of the model shapes of all cases; the columns are SHAPE."""
    shapes = {(part, row["case"]): row["shape"] for part in MODELS for row in figures.get(part, []) if "shape" in row}
    lines = [[part, case, *shape_cells(sizes)] for (part, case), sizes in shapes.items()]
    return [f"## Cases\n\n{markdown([['part', 'case', *SHAPE], *lines])}"] if lines else []


def shape_cells(shape: dict[str, Any]) -> list[str]:
    """The cells of a shape in the order of SHAPE."""
    sizes = [f"{shape[name]:,}" for name in SHAPE[:-1]]
    return [*sizes, shape["cell"].upper()]


def working_memory(row: dict[str, Any]) -> str:
    """One sentence with the working memory of each contender."""
    used = ", ".join(f"{name} {number(value)}" for name, value in row["working_megabytes_above_parameters"].items())
    parameters = number(row["parameter_megabytes"])
    return f"{row['case']}, MB without libraries and parameters ({parameters} MB): {used}."


def cold_start(row: dict[str, Any]) -> str:
    """A table of the seconds of each command in a new process."""
    rows = [[f"`{name}`", f"{value:.2g}"] for name, value in row["seconds"].items()]
    return f"## Cold start\n\n{markdown([['a new process', 's'], *rows])}"


def corpora(row: dict[str, Any]) -> str:
    """The costs per token, one column per corpus size; the keys of the row are "kind, size MB"."""
    kinds: dict[str, dict[str, str]] = {}
    for name, value in row[MICROSECONDS_PER_TOKEN].items():
        kind, size = name.split(", ")
        kinds.setdefault(kind, {})[size] = number(value)
    sizes = list(dict.fromkeys(size for costs in kinds.values() for size in costs))
    rows = [[kind, *(costs.get(size, "—") for size in sizes)] for kind, costs in kinds.items()]
    return f"## Size of the corpus\n\n{markdown([['µs per token, by size of the token file', *sizes], *rows])}"


def markdown(lines: list[list[str]]) -> str:
    """A Markdown table; the first line is the header."""
    lines = [lines[0], ["---"] * len(lines[0]), *lines[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

"""Measure the speed and memory of weft, PyTorch and ONNX Runtime: `python -m benchmarks`.

Run it from the root of the source tree. All implementations run in one process, alternating for several rounds; figures
are medians. Cold start and memory are measured in separate processes. NAME is a part (training, scoring, streaming,
start, memory, growth, corpus) or a case of a part (training/seed). Without NAME, everything is measured.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import description
from benchmarks.parts import selected_cases
from benchmarks.plot import draw
from benchmarks.revision import revision
from benchmarks.setting import Setting
from benchmarks.tables import heading, lines
from weft.errors import InputError
from weft.files import write_text_atomically

TINY_SECONDS = 0.02


def main(arguments: Sequence[str] | None = None) -> None:
    parser = command_line()
    options = parser.parse_args(arguments)
    default_seconds = TINY_SECONDS if options.tiny else Setting.seconds
    seconds = default_seconds if options.seconds is None else options.seconds
    setting = Setting(seconds, options.build_seconds, options.largest_corpus, options.tiny)
    try:
        parts = selected_cases(options.names, setting)
    except InputError as error:
        parser.error(str(error))
    for file in filter(None, (options.json, options.plot)):
        if not Path(file).absolute().parent.is_dir():
            parser.error(f"there is no folder for {file}: create it first")
    figures: dict[str, Any] = {
        "machine": description(),
        "measured": revision(),
        "seconds_per_row": seconds,
        "note": options.note,
    }
    print(machine_line(figures["machine"]), flush=True)
    for part, cases in parts:
        rows = figures[part.name] = []
        unit = ""
        for case in cases:
            row = case.measure()
            rows.append(row.as_json())
            title = [] if row.unit == unit else [heading(part.about, row.unit)]
            print(*title, *lines(row), sep="\n", flush=True)
            unit = row.unit
            if options.json:
                write_text_atomically(Path(options.json), json.dumps(figures, indent=1) + "\n")
    if options.plot:
        draw(figures, Path(options.plot))


def command_line() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="parts or cases (default: all)")
    parser.add_argument("--seconds", type=float, help=f"seconds of measuring per row (default: {Setting.seconds:g})")
    parser.add_argument("--json", metavar="FILE", help="also write the figures to FILE as JSON")
    parser.add_argument("--plot", metavar="FILE", help="plot the figures to FILE as PNG")
    parser.add_argument(
        "--note", metavar="TEXT", default="", help="how the figures were measured, for the documentation"
    )
    parser.add_argument("--tiny", action="store_true", help="use the smallest sizes, to check that everything runs")
    parser.add_argument(
        "--build-seconds",
        type=float,
        metavar="S",
        default=Setting.build_seconds,
        help=f"time limit for torch.compile per step, in seconds (default: {Setting.build_seconds:g})",
    )
    parser.add_argument(
        "--largest-corpus",
        type=float,
        metavar="MB",
        default=Setting.largest_corpus,
        help=f"skip corpora larger than MB megabytes (default: {Setting.largest_corpus:g})",
    )
    return parser


def machine_line(machine: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    rate = machine["sgemm_gflop_per_second"]
    return f"{machine['processor']}, {machine['cores']} cores, sgemm {rate:.0f} GFLOP/s; {versions}"


if __name__ == "__main__":
    main()

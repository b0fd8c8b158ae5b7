"""One command for all figures: `python -m benchmarks`, from the top of the source tree.

Every workload runs all contenders in this one process, in turn, round after round, so that a machine that slows down
slows all of them; the figure is the median over the rounds. Prints a table, and writes it as JSON with --json FILE.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contenders import Step, contenders
from benchmarks.workloads import TINY, WORKLOADS, Workload
from weft.files import write_text_atomically


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("workloads", nargs="*", help="names of workloads (default: all)")
    parser.add_argument("--seconds", type=float, default=20, help="time for each workload (default: 20)")
    parser.add_argument("--tiny", action="store_true", help="the smallest setting: to see that it runs")
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    options = parser.parse_args()
    known = {workload.name: workload for workload in (TINY if options.tiny else WORKLOADS)}
    for name in options.workloads:
        if name not in known:
            parser.error(f"unknown workload {name!r}; known: {', '.join(known)}")
    chosen = [known[name] for name in options.workloads or known]
    rate = sgemm_rate()
    print(f"{os.cpu_count()} cores, {platform.processor() or platform.machine()}; sgemm {rate / 1e9:.0f} GFLOP/s")
    rows = []
    for workload in chosen:
        rows.append(measured(workload, 0.2 if options.tiny else options.seconds, rate))
        print_row(rows[-1])
    if options.json:
        figures = {"python": sys.version.split()[0], "numpy": np.__version__, "sgemm_flops": rate, "rows": rows}
        write_text_atomically(Path(options.json), json.dumps(figures, indent=1) + "\n")


def measured(workload: Workload, seconds: float, rate: float) -> dict[str, Any]:
    """The median milliseconds of a step of every contender, in turn until the time is up."""
    takers = contenders()
    steps = {taker.name: taker.make(workload) for taker in takers}
    times: dict[str, list[float]] = {taker.name: [] for taker in takers}
    end = time.perf_counter() + seconds
    rounds = 0
    while rounds < 3 or time.perf_counter() < end:
        for taker in takers:
            with taker.context():
                times[taker.name] += timed(steps[taker.name], seconds / 40)[rounds == 0 :]
        rounds += 1
    medians = {name: 1e3 * statistics.median(values) for name, values in times.items()}
    return {
        "workload": workload.name,
        "rounds": rounds,
        "milliseconds": medians,
        "product_share_of_sgemm": workload.product_flop / (1e-3 * medians["weft fused"]) / rate,
    }


def timed(step: Step, seconds: float) -> list[float]:
    """Seconds of each of a few steps: as many as fit the time, at least two."""
    times: list[float] = []
    while len(times) < 2 or sum(times) < seconds:
        began = time.perf_counter()
        step()
        times.append(time.perf_counter() - began)
    return times


def print_row(row: dict[str, Any]) -> None:
    """One line: every contender's median, and its ratio to weft's fused kernels."""
    fused_ms = row["milliseconds"]["weft fused"]
    others = (
        f"{name} {value:.2f} ({value / fused_ms:.2f}x)"
        for name, value in row["milliseconds"].items()
        if name != "weft fused"
    )
    share = 100 * row["product_share_of_sgemm"]
    print(f"{row['workload']:11} weft fused {fused_ms:.2f} ms ({share:.0f}% of sgemm); {'; '.join(others)}", flush=True)


def sgemm_rate() -> float:
    """Floating-point operations a second of NumPy's float32 product of two large square matrices."""
    n = 2048
    a = np.random.default_rng(0).normal(size=(n, n)).astype(np.float32)
    times = []
    for _ in range(5):
        began = time.perf_counter()
        a @ a
        times.append(time.perf_counter() - began)
    return 2 * n**3 / statistics.median(times)


if __name__ == "__main__":
    main()

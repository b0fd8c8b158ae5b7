"""The benchmarks run, and write what they print."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_smallest_setting_gives_a_figure_for_everyone(tmp_path: Path) -> None:
    report = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks", "--tiny", "--json", str(report)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    (row,) = json.loads(report.read_text("utf-8"))["rows"]
    assert row["workload"] == "tiny"
    assert set(row["milliseconds"]) == {"weft fused", "weft bf16", "weft plain", "PyTorch f32", "PyTorch bf16"}
    assert all(value > 0 for value in row["milliseconds"].values())
    assert "tiny" in run.stdout

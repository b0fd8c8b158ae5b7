"""Memory of training steps: each contender in separate processes, the median over several.

torch.compile is left out: its compiler runs in the same process, and its memory would dominate the result.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from dataclasses import asdict

from benchmarks import ROOT
from benchmarks.contender import Unavailable
from benchmarks.memory_process import CONTENDERS
from benchmarks.row import Case, Row, ratios
from benchmarks.setting import Setting
from benchmarks.workloads import LARGE_VOCABULARY, PTB_MEDIUM, TINY, Workload

MemoryUse = dict[str, float]
"""The keys are those that `benchmarks.memory_process` prints."""


def memory_of(workload: Workload, setting: Setting) -> tuple[dict[str, MemoryUse], dict[str, str]]:
    """Memory use by contender, and the reasons of unavailable contenders."""
    count = setting.warmup_processes + min(3, setting.repeats)
    use: dict[str, MemoryUse] = {}
    missing: dict[str, str] = {}
    for contender in CONTENDERS:
        try:
            with contender.context():
                contender.make(TINY)
        except Unavailable as reason:
            missing[contender.name] = str(reason)
            continue
        runs = [measured_in_process(contender.name, workload) for _ in range(count)][setting.warmup_processes :]
        use[contender.name] = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    return use, missing


def measured_in_process(name: str, workload: Workload) -> MemoryUse:
    """The memory use that `benchmarks.memory_process` prints for one contender."""
    command = [sys.executable, "-m", "benchmarks.memory_process", name, json.dumps(asdict(workload))]
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
    use: MemoryUse = json.loads(answer.stdout)
    return use


def cases(setting: Setting) -> list[Case]:
    def case(workload: Workload) -> Case:
        return Case(workload.name, lambda: row(workload, setting))

    return [case(workload) for workload in ([TINY] if setting.tiny else [PTB_MEDIUM, LARGE_VOCABULARY])]


def row(workload: Workload, setting: Setting) -> Row:
    use, missing = memory_of(workload, setting)
    peaks = {name: used["peak_megabytes"] for name, used in use.items()}
    facts = {
        "shape": workload.shape,
        "parameter_megabytes": round(workload.parameter_bytes / 1e6, 1),
        "working_megabytes_above_parameters": {n: round(used["working_megabytes"], 1) + 0.0 for n, used in use.items()},
    }
    return Row(workload.name, "peak_megabytes", peaks, ratios(peaks), missing, facts)

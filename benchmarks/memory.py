"""Memory of training steps: every contender in a process of its own, the median of some.

torch.compile does not take part: what its compiler needs in the same process would be most of the difference.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from dataclasses import asdict

from benchmarks import ROOT
from benchmarks.contender import CannotTakePart
from benchmarks.memory_process import CONTENDERS
from benchmarks.row import Case, Row, ratios
from benchmarks.setting import Setting
from benchmarks.workloads import LARGE_VOCABULARY, PTB_MEDIUM, TINY, Workload

Needs = dict[str, float]


def memory_of(workload: Workload, setting: Setting) -> tuple[dict[str, Needs], dict[str, str]]:
    """What each needs, by name, and why others cannot take part."""
    count = setting.uncounted + min(3, setting.repeats)
    needs: dict[str, Needs] = {}
    missing: dict[str, str] = {}
    for contender in CONTENDERS:
        try:
            with contender.context():
                contender.make(TINY)
        except CannotTakePart as reason:
            missing[contender.name] = str(reason)
            continue
        runs = [process(contender.name, workload) for _ in range(count)][setting.uncounted :]
        needs[contender.name] = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    return needs, missing


def process(name: str, workload: Workload) -> Needs:
    command = [sys.executable, "-m", "benchmarks.memory_process", name, json.dumps(asdict(workload))]
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
    needs: Needs = json.loads(answer.stdout)
    return needs


def cases(setting: Setting) -> list[Case]:
    def case(workload: Workload) -> Case:
        return Case(workload.name, lambda: row(workload, setting))

    return [case(workload) for workload in ([TINY] if setting.tiny else [PTB_MEDIUM, LARGE_VOCABULARY])]


def row(workload: Workload, setting: Setting) -> Row:
    needs, missing = memory_of(workload, setting)
    peaks = {name: need["peak_megabytes"] for name, need in needs.items()}
    facts = {
        "shape": workload.shape,
        "parameter_megabytes": round(workload.parameter_bytes / 1e6, 1),
        "working_megabytes_above_parameters": {
            n: round(need["working_megabytes"], 1) + 0.0 for n, need in needs.items()
        },
    }
    return Row(workload.name, "peak_megabytes", peaks, ratios(peaks), missing, facts)

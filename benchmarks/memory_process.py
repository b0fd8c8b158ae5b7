"""Memory of training steps of one contender: `python -m benchmarks.memory_process NAME WORKLOAD`.

NAME is a contender, WORKLOAD a workload as JSON. Prints two numbers as JSON, in units of 10^6 bytes. peak_megabytes is
the peak resident memory of the process including its libraries. working_megabytes is the peak minus the resident memory
before the model was created, minus the parameters.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from benchmarks.contender import BFLOAT16, FUSED, Contender, Step, fused_bfloat16, fused_float32
from benchmarks.training_steps import torch_bfloat16_step_of, torch_step_of, weft_step
from benchmarks.workloads import TINY, Workload

STEPS = 3


def torch_step(workload: Workload) -> Step:
    model = torch_model(workload)
    return torch_step_of(model, model.loss, workload)


def torch_bfloat16_step(workload: Workload) -> Step:
    return torch_bfloat16_step_of(torch_model(workload), workload)


def torch_model(w: Workload) -> Any:
    """A PyTorch model of the same shape with its own initial weights: a weft model would add to the peak."""
    from benchmarks.torch_model import TorchLM

    return TorchLM(w.V, w.D, w.H, w.layers, w.cell)


CONTENDERS = [
    Contender(FUSED, weft_step, fused_float32),
    Contender(BFLOAT16, weft_step, fused_bfloat16),
    Contender("weft plain", weft_step),
    Contender("PyTorch f32", torch_step),
    Contender("PyTorch bf16", torch_bfloat16_step),
]


def main() -> None:
    name, workload = sys.argv[1], Workload(**json.loads(sys.argv[2]))
    (contender,) = (contender for contender in CONTENDERS if contender.name == name)
    print(json.dumps(memory_use(contender, workload)))


def memory_use(contender: Contender[Workload], workload: Workload) -> dict[str, float]:
    """Peak and working memory of STEPS steps; a tiny step first loads the libraries."""
    with contender.context():
        contender.make(TINY)()
        before = resident_megabytes()
        step = contender.make(workload)
        for _ in range(STEPS):
            step()
    peak = peak_megabytes()
    return {"peak_megabytes": peak, "working_megabytes": peak - before - workload.parameter_bytes / 1e6}


def peak_megabytes() -> float:
    """Peak resident memory of this process, in MB."""
    resident = proc_status_megabytes("VmHWM")
    if resident is not None:
        return resident  # ru_maxrss also counts the peak of the parent process
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def resident_megabytes() -> float:
    """Resident memory of this process now, in MB; the peak where the system does not report it."""
    resident = proc_status_megabytes("VmRSS")
    return peak_megabytes() if resident is None else resident


def proc_status_megabytes(name: str) -> float | None:
    """The field `name` of /proc/self/status, in MB; None on systems without that file."""
    status = Path("/proc/self/status")
    match = re.search(rf"^{name}:\s*(\d+) kB", status.read_text("utf-8"), re.MULTILINE) if status.exists() else None
    return int(match[1]) * 1024 / 1e6 if match else None


if __name__ == "__main__":
    main()

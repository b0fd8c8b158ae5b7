"""What training steps need in memory, in a process of their own: `python -m benchmarks.memory_process NAME WORKLOAD`.

WORKLOAD is JSON. Prints as JSON peak_megabytes, of the whole process with its libraries, and working_megabytes, what
the steps brought at most above what stood before the model was made, the parameters left out. 1 MB is 10^6 bytes.
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
    """As in training, without ever holding a model of weft's."""
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
    print(json.dumps(needs(contender, workload)))


def needs(contender: Contender[Workload], workload: Workload) -> dict[str, float]:
    """Peak and working memory of a few steps; the libraries are loaded, and know a training step, before."""
    with contender.context():
        contender.make(TINY)()
        before = resident_megabytes()
        step = contender.make(workload)
        for _ in range(STEPS):
            step()
    peak = peak_megabytes()
    return {"peak_megabytes": peak, "working_megabytes": peak - before - workload.parameter_bytes / 1e6}


def peak_megabytes() -> float:
    """The most this process ever held."""
    held = of_linux("VmHWM")
    if held is not None:
        return held  # getrusage begins with what the process that started this one held
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def resident_megabytes() -> float:
    """What this process holds now; where that is not known, the most it ever held."""
    held = of_linux("VmRSS")
    return peak_megabytes() if held is None else held


def of_linux(name: str) -> float | None:
    """A line of what Linux tells a process about itself, in MB; None on other systems."""
    status = Path("/proc/self/status")
    found = re.search(rf"^{name}:\s*(\d+) kB", status.read_text("utf-8"), re.MULTILINE) if status.exists() else None
    return int(found[1]) * 1024 / 1e6 if found else None


if __name__ == "__main__":
    main()

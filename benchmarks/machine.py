"""What the figures were taken on."""

from __future__ import annotations

import platform
import statistics
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from weft.backends.cpu_cores import available_cores
from weft.backends.fused import why_not_fused

PACKAGES = ("weft", "numpy", "numba", "torch", "onnxruntime")


def description() -> dict[str, Any]:
    """Processor, cores, versions, and how fast NumPy multiplies here."""
    return {
        "processor": processor_name(),
        "instructions": instructions(),
        "cores": available_cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: found for name in PACKAGES if (found := installed(name))},
        "sgemm_gflop_per_second": round(sgemm_rate() / 1e9, 1),
    }


def instructions() -> list[str]:
    """What the fused kernels use of the processor, where they run."""
    if why_not_fused():
        return []
    from weft.backends.kernels.jit.cpu_features import chosen_instructions

    return chosen_instructions()


def processor_name() -> str:
    """The model's name, as far as the system tells it."""
    if platform.system() == "Linux":
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    if platform.system() == "Darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return platform.processor() or platform.machine()


def installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def sgemm_rate(n: int = 2048) -> float:
    """Floating-point operations a second of NumPy's float32 product of two (n, n) matrices, the median of five."""
    a = np.random.default_rng(0).normal(size=(n, n)).astype(np.float32)
    a @ a
    times = []
    for _ in range(5):
        began = time.perf_counter()
        a @ a
        times.append(time.perf_counter() - began)
    return 2 * n**3 / statistics.median(times)

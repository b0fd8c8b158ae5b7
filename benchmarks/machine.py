"""Description of the machine and the library versions that figures were measured with."""

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
    """Processor, cores, versions, and NumPy's float32 matrix product rate in GFLOP/s."""
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
    """Instruction sets that the fused kernels use; empty if this machine cannot run them."""
    if why_not_fused():
        return []
    from weft.backends.kernels.jit.cpu_features import chosen_instructions

    return chosen_instructions()


def processor_name() -> str:
    """The processor's model name if the system reports one, otherwise its architecture."""
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
    """The installed version of a package; None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def sgemm_rate(n: int = 2048) -> float:
    """FLOP/s of NumPy's float32 product of two (n, n) matrices, the median of five."""
    a = np.random.default_rng(0).normal(size=(n, n)).astype(np.float32)
    a @ a
    times = []
    for _ in range(5):
        start = time.perf_counter()
        a @ a
        times.append(time.perf_counter() - start)
    return 2 * n**3 / statistics.median(times)

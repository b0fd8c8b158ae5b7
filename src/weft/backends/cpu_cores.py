"""The number of cores that this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any


def available_cores() -> int:
    """The cores that this process may run on, limited by the CPU quota of its control group; at least 1."""
    affinity: Any = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, math.floor(min(cores, granted_cores())))


def granted_cores(groups: Path = Path("/sys/fs/cgroup")) -> float:
    """The CPU quota of the control group (version 2 or 1) in cores; infinite if there is none."""
    for files in (["cpu.max"], ["cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"]):
        try:
            quota, period, *_ = " ".join((groups / name).read_text("ascii") for name in files).split()
            if quota != "max" and int(quota) > 0:
                return int(quota) / int(period)
        except (OSError, ValueError, ZeroDivisionError):
            continue
    return math.inf

"""How many cores this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any


def available_cores() -> int:
    """Cores that this process may run on, no more than its control group has time for."""
    affinity: Any = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, math.floor(min(cores, granted_cores())))


def granted_cores(groups: Path = Path("/sys/fs/cgroup")) -> float:
    """Processor time that the control group grants, in cores; infinite where it sets no limit."""
    for files in (["cpu.max"], ["cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"]):
        try:
            quota, period, *_ = " ".join((groups / name).read_text("ascii") for name in files).split()
            if quota != "max" and int(quota) > 0:
                return int(quota) / int(period)
        except (OSError, ValueError, ZeroDivisionError):
            continue
    return math.inf

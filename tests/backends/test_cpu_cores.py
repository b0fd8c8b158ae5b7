"""The CPU quota of the process's control group limits the number of cores, and threads are at least one."""

from __future__ import annotations

from pathlib import Path

import pytest

from weft.backends.cpu_cores import granted_cores
from weft.backends.fused import fused, why_not_fused
from weft.errors import InputError


@pytest.mark.skipif(why_not_fused() is not None, reason=f"no fused kernels: {why_not_fused()}")
def test_zero_threads_are_refused() -> None:
    with pytest.raises(InputError, match="threads must be at least 1, got 0"), fused(0):
        pass


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, float("inf")),
        ({"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2.0),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, float("inf")),
        ({}, float("inf")),
    ],
)
def test_the_cpu_quota_of_a_control_group(files: dict[str, str], cores: float, tmp_path: Path) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content, "ascii")
    assert granted_cores(tmp_path) == cores

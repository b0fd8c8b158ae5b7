"""Scaling: time per token of a small LSTM's training step as one of V, H, T, N grows and the others stay fixed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks.row import Case, Row, timed_row
from benchmarks.setting import Setting
from benchmarks.timing import compare
from benchmarks.training_steps import contenders
from benchmarks.workloads import SMALL, TINY, Workload

TIME_DIVISOR = 4
"""There are many sizes, so each gets a quarter of the measuring time per row."""
SIZES = {
    "V": [1_000, 4_000, 16_000, 64_000, 256_000],
    "H": [64, 128, 256, 512, 1024],
    "T": [16, 64, 256, 1024],
    "N": [1, 4, 16, 64, 256],
}
TINY_SIZES = {"V": [20, 40], "H": [4, 8], "T": [2, 4], "N": [1, 2]}


def resized(base: Workload, axis: str, size: int) -> Workload:
    """`base` with one size changed; a change of H sets D = H too."""
    changed: dict[str, Any] = {axis: size} | ({"D": size} if axis == "H" else {})
    return replace(base, **changed)


def cases(setting: Setting) -> list[Case]:
    sizes, base = (TINY_SIZES, TINY) if setting.tiny else (SIZES, SMALL)

    def case(axis: str, size: int) -> Case:
        workload = resized(base, axis, size)
        return Case(f"{axis}={size}", lambda: row(axis, size, workload, setting))

    return [case(axis, size) for axis in sizes for size in sizes[axis]]


def row(axis: str, size: int, workload: Workload, setting: Setting) -> Row:
    result = compare(workload, contenders(setting.further_build_seconds), setting.seconds / TIME_DIVISOR)
    tokens = workload.N * workload.T
    facts = {"axis": axis, "size": size, "shape": workload.shape}
    return timed_row(f"{axis}={size}", "microseconds_per_token", tokens, result, **facts)

"""Training steps of the six workloads."""

from __future__ import annotations

from benchmarks.machine import sgemm_rate
from benchmarks.row import Case, Row, timed_row
from benchmarks.setting import Setting
from benchmarks.timing import compare
from benchmarks.training_steps import contenders, unrolled_contender
from benchmarks.workloads import TINY, TRAINING, Workload


def cases(setting: Setting) -> list[Case]:
    def case(workload: Workload) -> Case:
        return Case(workload.name, lambda: row(workload, setting))

    return [case(workload) for workload in ([TINY] if setting.tiny else TRAINING)]


def row(workload: Workload, setting: Setting) -> Row:
    """Times of a step, and its matrix products' FLOP per second of step time as a share of NumPy's sgemm rate."""
    rate = sgemm_rate()
    compared = [*contenders(setting.build_seconds), unrolled_contender(setting.build_seconds)]
    result = compare(workload, compared, setting.seconds)
    shares = {name: round(workload.product_flop / time / rate, 3) for name, time in result.seconds.items()}
    return timed_row(
        workload.name,
        "milliseconds_per_step",
        workload.N * workload.T,
        result,
        shape=workload.shape,
        products_gflop_per_step=round(workload.product_flop / 1e9, 4),
        sgemm_gflop_per_second=round(rate / 1e9, 1),
        products_share_of_sgemm_rate=shares,
    )

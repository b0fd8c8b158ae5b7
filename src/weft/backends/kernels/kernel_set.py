"""All fused kernels. Importing them imports Numba.

The first call of each compiles it, which takes seconds; the result is kept on disk for the next time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from weft.backends.kernels.jit.compile import compile_deferred
from weft.backends.kernels.jit.dtypes import FLOATS, PAIRS
from weft.backends.kernels.output.fused_output import FusedOutput
from weft.backends.kernels.recurrent.block import FusedBlock
from weft.backends.kernels.recurrent.driver import fused_cells
from weft.backends.kernels.threads.capture import CapturingRunner
from weft.backends.kernels.threads.parallel import ParallelRunner
from weft.backends.kernels.update.fused_update import FusedUpdate

ROUNDING = {"float32": 2.0**-20, "bfloat16": 2.0**-9}
"""How far apart a state worked out in two ways may be: 8 eps, and a rounding of a factor, as which it is fed back."""


@dataclass(frozen=True)
class KernelSet:
    """The fused kernels, which are carried out together by so many threads."""

    blocks: Mapping[str, FusedBlock]
    output: FusedOutput
    update: FusedUpdate
    rounding: float
    with_capture: Callable[[], tuple[CapturingRunner, KernelSet]]
    """A capture and kernels that it records."""

    @classmethod
    def on(cls, runner: ParallelRunner, precision: str) -> KernelSet:
        """All kernels, carried out by `runner`; precision: "float32" or "bfloat16" factors of the matrix products."""
        kind = PAIRS if precision == "bfloat16" else FLOATS
        if kind == PAIRS:
            compile_deferred()
        blocks = {name: FusedBlock(cell, runner, kind) for name, cell in fused_cells().items()}

        def with_capture() -> tuple[CapturingRunner, KernelSet]:
            capture = CapturingRunner(runner.threads)
            return capture, cls.on(capture, precision)

        return cls(blocks, FusedOutput(runner, kind), FusedUpdate(runner), ROUNDING[precision], with_capture)

"""All fused kernels for one number of threads and one precision. Importing this module imports Numba.

The first call of a kernel compiles it, which takes seconds; the machine code is kept in the compile cache.
"""

from __future__ import annotations

from weft.backends.kernels.cells import fused_cell
from weft.backends.kernels.jit.compile import compile_deferred
from weft.backends.kernels.jit.dtypes import FLOATS, PAIRS
from weft.backends.kernels.output.fused_output import FusedOutput
from weft.backends.kernels.recurrent.block import FusedBlock
from weft.backends.kernels.threads.capture import CapturingRunner
from weft.backends.kernels.threads.parallel import ParallelRunner
from weft.backends.kernels.update.fused_update import FusedUpdate

ROUNDING = {"float32": 2.0**-20, "bfloat16": 2.0**-9}
"""Tolerance, relative to max(1, abs x), within which two computations of the same state agree.

For float32 it is 8 eps. For bfloat16 it is the rounding error of a state that is an operand of the next step.
"""


class KernelSet:
    """The fused kernels on the threads of `runner`.

    precision: "float32", or "bfloat16" to round the operands of large matrix products to bfloat16. output, update: the
    kernels of the output layer and of parameter updates; rounding: the tolerance from `ROUNDING`.
    """

    def __init__(self, runner: ParallelRunner, precision: str) -> None:
        self.runner, self.precision = runner, precision
        self._dtype = PAIRS if precision == "bfloat16" else FLOATS
        if self._dtype == PAIRS:
            compile_deferred()
        self.output = FusedOutput(runner, self._dtype)
        self.update = FusedUpdate(runner)
        self.rounding = ROUNDING[precision]
        self._blocks: dict[str, FusedBlock] = {}

    def block(self, cell: str) -> FusedBlock | None:
        """The block kernel of the cell with this name, or None if it has none."""
        kernel = self._blocks.get(cell)
        if kernel is None and (fused := fused_cell(cell)) is not None:
            kernel = self._blocks[cell] = FusedBlock(fused, self.runner, self._dtype)
        return kernel

    def capturing(self) -> tuple[CapturingRunner, KernelSet]:
        """A runner that captures the kernels it runs, and a set of these kernels on it."""
        runner = CapturingRunner(self.runner.threads)
        return runner, KernelSet(runner, self.precision)

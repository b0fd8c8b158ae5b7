"""All fused kernels. Importing them imports Numba.

The first call of each compiles it, which takes seconds; the result is kept on disk for the next time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from weft.backends.kernels import gru_kernel, lstm_kernel, rnn_kernel
from weft.backends.kernels.block import FusedBlock
from weft.backends.kernels.gru_kernel import GRUKernel
from weft.backends.kernels.lstm_kernel import LSTMKernel
from weft.backends.kernels.output_kernel import FusedOutput
from weft.backends.kernels.panel_block import PanelBlock, Passes
from weft.backends.kernels.products import PairProducts, PanelProducts
from weft.backends.kernels.recording import Recorder
from weft.backends.kernels.rnn_kernel import RNNKernel
from weft.backends.kernels.together import Together
from weft.backends.kernels.update_kernel import FusedUpdate
from weft.backends.kernels.words import FLOATS, PAIRS
from weft.backends.workers import Workers

ROUNDING = {"float32": 2.0**-20, "bfloat16": 2.0**-9}
"""How far apart a state worked out in two ways may be: 8 eps, and a rounding of a factor, as which it is fed back."""


CELLS: dict[str, tuple[type[FusedBlock], Passes]] = {
    "rnn": (RNNKernel, rnn_kernel.PASSES),
    "lstm": (LSTMKernel, lstm_kernel.PASSES),
    "gru": (GRUKernel, gru_kernel.PASSES),
}


@dataclass(frozen=True)
class Kernels:
    """The fused kernels, which share the threads of some workers."""

    blocks: Mapping[str, PanelBlock]
    output: FusedOutput
    update: FusedUpdate
    rounding: float
    with_recorder: Callable[[], tuple[Recorder, Kernels]]
    """A recorder and kernels that it records."""

    @classmethod
    def on(cls, workers: Workers, precision: str) -> Kernels:
        """All kernels on these workers; precision: "float32" or "bfloat16" factors of the matrix products."""
        return panel_kernels(workers, precision, Together(workers.count))


def panel_kernels(workers: Workers, precision: str, together: Together) -> Kernels:
    """All kernels; `together` has those carried out that are not the workers'."""
    kind, products = (PAIRS, PairProducts()) if precision == "bfloat16" else (FLOATS, PanelProducts())
    small = PanelProducts()
    blocks = {
        name: PanelBlock(passes, together, kind, kernel(workers, products, small))
        for name, (kernel, passes) in CELLS.items()
    }

    def with_recorder() -> tuple[Recorder, Kernels]:
        recorder = Recorder(workers.count)
        return recorder, panel_kernels(workers, precision, recorder)

    return Kernels(blocks, FusedOutput(together, kind), FusedUpdate(together), ROUNDING[precision], with_recorder)

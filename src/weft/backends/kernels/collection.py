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
from weft.backends.kernels.output_part import LibraryPart, OneTermPart, TilePart
from weft.backends.kernels.panel_block import PanelBlock, Passes
from weft.backends.kernels.panel_output import PanelOutput
from weft.backends.kernels.processor import has_amx
from weft.backends.kernels.products import LibraryProducts, PairProducts, PanelProducts, TileProducts
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

    blocks: Mapping[str, FusedBlock | PanelBlock]
    output: FusedOutput | PanelOutput
    update: FusedUpdate
    rounding: float
    with_recorder: Callable[[], tuple[Recorder, Kernels]] | None = None
    """A recorder and kernels that it records, where they can be recorded."""

    @classmethod
    def on(cls, workers: Workers, precision: str) -> Kernels:
        """All kernels on these workers; precision: "float32" or "bfloat16" factors of the matrix products."""
        make = on_tiles if has_amx() else on_panels
        return make(workers, precision)


def on_tiles(workers: Workers, precision: str) -> Kernels:
    """The kernels where there are matrix tiles; blocks of little work and few rows are multiplied in float32."""
    terms, part = (1, OneTermPart) if precision == "bfloat16" else (3, TilePart)
    products, small = TileProducts(terms), LibraryProducts()
    blocks = {name: kernel(workers, products, small) for name, (kernel, _passes) in CELLS.items()}
    return Kernels(
        blocks, FusedOutput(workers, part, LibraryPart), FusedUpdate(Together(workers.count)), ROUNDING[precision]
    )


def on_panels(workers: Workers, precision: str) -> Kernels:
    """The kernels where there are vectors only."""
    return panel_kernels(workers, precision, Together(workers.count))


def panel_kernels(workers: Workers, precision: str, together: Together) -> Kernels:
    """The same, carried out by `together`."""
    kind, products = (PAIRS, PairProducts()) if precision == "bfloat16" else (FLOATS, PanelProducts())
    small = PanelProducts()
    blocks = {
        name: PanelBlock(passes, together, kind, kernel(workers, products, small))
        for name, (kernel, passes) in CELLS.items()
    }

    def with_recorder() -> tuple[Recorder, Kernels]:
        recorder = Recorder(workers.count)
        return recorder, panel_kernels(workers, precision, recorder)

    return Kernels(blocks, PanelOutput(together, kind), FusedUpdate(together), ROUNDING[precision], with_recorder)

"""All fused kernels. Importing them imports Numba.

The first call of each compiles it, which takes seconds; the result is kept on disk for the next time.
"""

from __future__ import annotations

from dataclasses import dataclass

from weft.backends.kernels.block import FusedBlock
from weft.backends.kernels.gru_kernel import GRUKernel
from weft.backends.kernels.lstm_kernel import LSTMKernel
from weft.backends.kernels.output_kernel import FusedOutput
from weft.backends.kernels.output_part import LibraryPart, OneTermPart, PairPart, PanelPart, Part, TilePart
from weft.backends.kernels.processor import has_amx
from weft.backends.kernels.products import LibraryProducts, PairProducts, PanelProducts, Products, TileProducts
from weft.backends.kernels.rnn_kernel import RNNKernel
from weft.backends.kernels.update_kernel import FusedUpdate
from weft.backends.workers import Workers

ROUNDING = {"float32": 2.0**-20, "bfloat16": 2.0**-9}
"""How far apart a state worked out in two ways may be: 8 eps, and a rounding of a factor, as which it is fed back."""


@dataclass(frozen=True)
class Kernels:
    """The fused kernels, which share the threads of some workers."""

    blocks: dict[str, FusedBlock]
    output: FusedOutput
    update: FusedUpdate
    rounding: float

    @classmethod
    def on(cls, workers: Workers, precision: str) -> Kernels:
        """All kernels on these workers; precision: "float32" or "bfloat16" factors of the matrix products."""
        ways = ways_to_multiply(precision)
        blocks: dict[str, FusedBlock] = {
            "rnn": RNNKernel(workers, ways.products, ways.small_products),
            "lstm": LSTMKernel(workers, ways.products, ways.small_products),
            "gru": GRUKernel(workers, ways.products, ways.small_products),
        }
        output = FusedOutput(workers, ways.part, ways.small_part)
        return cls(blocks, output, FusedUpdate(workers), ROUNDING[precision])


@dataclass(frozen=True)
class WaysToMultiply:
    """The products of the recurrent layers and of the output layer, and those for blocks of little work or few rows."""

    products: Products
    small_products: Products
    part: type[Part]
    small_part: type[Part]


def ways_to_multiply(precision: str) -> WaysToMultiply:
    """How a precision is multiplied on this processor."""
    if has_amx():
        terms, part = (1, OneTermPart) if precision == "bfloat16" else (3, TilePart)
        return WaysToMultiply(TileProducts(terms), LibraryProducts(), part, LibraryPart)
    if precision == "bfloat16":
        return WaysToMultiply(PairProducts(), PanelProducts(), PairPart, PanelPart)
    return WaysToMultiply(PanelProducts(), PanelProducts(), PanelPart, PanelPart)

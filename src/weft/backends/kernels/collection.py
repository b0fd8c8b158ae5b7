"""All fused kernels. Importing them imports Numba.

The first call of each compiles it, which takes seconds; the result is kept on disk for the next time.
"""

from __future__ import annotations

from dataclasses import dataclass

from weft.backends.kernels.block import FusedBlock
from weft.backends.kernels.gru_kernel import GRUKernel
from weft.backends.kernels.lstm_kernel import LSTMKernel
from weft.backends.kernels.output_kernel import FusedOutput
from weft.backends.kernels.output_part import LibraryPart, OneTermPart, Part, TilePart
from weft.backends.kernels.processor import has_amx
from weft.backends.kernels.products import FloatProducts, Products, TileProducts
from weft.backends.kernels.rnn_kernel import RNNKernel
from weft.backends.kernels.update_kernel import FusedUpdate
from weft.backends.workers import Workers

ROUNDING = {"float32": 2.0**-20, "bfloat16": 2.0**-9}
"""How far apart a state worked out in two ways may be: 8 eps, and a rounding of a factor, as which it is fed back."""


@dataclass(frozen=True)
class Kernels:
    """The fused kernels, sharing the threads of `workers`."""

    workers: Workers
    blocks: dict[str, FusedBlock]
    output: FusedOutput
    update: FusedUpdate
    rounding: float

    @classmethod
    def on(cls, workers: Workers, precision: str) -> Kernels:
        """All kernels on these workers; precision: "float32" or "bfloat16" factors of the matrix products."""
        products, part = ways_to_multiply(precision)
        blocks: dict[str, FusedBlock] = {
            "rnn": RNNKernel(workers, products, FloatProducts()),
            "lstm": LSTMKernel(workers, products, FloatProducts()),
            "gru": GRUKernel(workers, products, FloatProducts()),
        }
        return cls(workers, blocks, FusedOutput(workers, part, LibraryPart), FusedUpdate(workers), ROUNDING[precision])


def ways_to_multiply(precision: str) -> tuple[Products, type[Part]]:
    """The products of a precision on this processor, in the recurrent layers and in the output layer."""
    if precision == "bfloat16":
        return TileProducts(1), OneTermPart
    return (TileProducts(3), TilePart) if has_amx() else (FloatProducts(), LibraryPart)

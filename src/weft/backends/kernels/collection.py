"""All fused kernels. Importing them imports Numba.

The first call of each compiles it, which takes seconds; the result is kept on disk for the next time.
"""

from __future__ import annotations

from dataclasses import dataclass

from weft.backends.backend import BlockKernel
from weft.backends.kernels.gru_kernel import GRUKernel
from weft.backends.kernels.lstm_kernel import LSTMKernel
from weft.backends.kernels.output_kernel import FusedOutput
from weft.backends.kernels.rnn_kernel import RNNKernel
from weft.backends.kernels.update_kernel import FusedUpdate
from weft.backends.workers import Workers


@dataclass(frozen=True)
class Kernels:
    """The fused kernels, sharing the threads of `workers`."""

    workers: Workers
    blocks: dict[str, BlockKernel]
    output: FusedOutput
    update: FusedUpdate

    @classmethod
    def on(cls, workers: Workers) -> Kernels:
        """All kernels on these workers."""
        blocks: dict[str, BlockKernel] = {
            "rnn": RNNKernel(workers),
            "lstm": LSTMKernel(workers),
            "gru": GRUKernel(workers),
        }
        return cls(workers, blocks, FusedOutput(workers), FusedUpdate(workers))

"""The training workloads: the shapes that small recurrent language models have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Workload:
    """V tokens, N streams, T steps, embedding size D, hidden size H, and layers of one cell."""

    name: str
    V: int
    N: int
    T: int
    D: int
    H: int
    layers: int
    cell: str

    @property
    def gates(self) -> int:
        return {"rnn": 1, "gru": 3, "lstm": 4}[self.cell]

    @property
    def product_flop(self) -> float:
        """Floating-point operations of a step's matrix products, forward and backward."""
        recurrent = sum(
            self.gates * self.H * ((self.D if layer == 0 else self.H) + self.H) for layer in range(self.layers)
        )
        return 6.0 * self.N * self.T * (recurrent + self.H * self.V)

    def tokens(self) -> tuple[Any, Any]:
        """Inputs and targets (N, T), drawn at random."""
        rng = np.random.default_rng(0)
        return rng.integers(0, self.V, (self.N, self.T)), rng.integers(0, self.V, (self.N, self.T))


WORKLOADS = [
    Workload("seed", 418, 10, 5, 100, 100, 1, "rnn"),
    Workload("word-100", 10_000, 20, 35, 100, 100, 1, "lstm"),
    Workload("ptb-small", 10_000, 20, 35, 200, 200, 2, "lstm"),
    Workload("ptb-medium", 10_000, 20, 35, 650, 650, 2, "lstm"),
    Workload("char-128", 65, 50, 50, 128, 128, 1, "rnn"),
    Workload("char-512", 65, 50, 50, 128, 512, 2, "lstm"),
]
TINY = [Workload("tiny", 30, 3, 4, 8, 8, 1, "lstm")]

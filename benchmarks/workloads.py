"""Workloads: shapes of typical small recurrent language models."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from weft.model import RNNLM


@dataclass(frozen=True)
class Workload:
    """Vocabulary size V, N streams, T steps, embedding size D, hidden size H, number of layers, kind of cell."""

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
        """Floating-point operations of the matrix products of a training step, forward and backward."""
        recurrent = sum(
            self.gates * self.H * ((self.D if layer == 0 else self.H) + self.H) for layer in range(self.layers)
        )
        return 6.0 * self.N * self.T * (recurrent + self.H * self.V)

    @property
    def parameter_bytes(self) -> int:
        """Bytes of all parameters in float32."""
        inputs = [self.D, *[self.H] * (self.layers - 1)]
        recurrent = sum(self.gates * self.H * (size + self.H + 1) for size in inputs)
        return 4 * (self.V * self.D + recurrent + (self.H + 1) * self.V)

    @property
    def shape(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if key != "name"}

    def model(self) -> RNNLM:
        """An untrained model with a fixed seed."""
        return RNNLM(self.V, self.D, self.H, self.layers, self.cell, seed=0)

    def tokens(self) -> tuple[Any, Any]:
        """Random inputs and targets, each (N, T), with a fixed seed."""
        rng = np.random.default_rng(0)
        return rng.integers(0, self.V, (self.N, self.T)), rng.integers(0, self.V, (self.N, self.T))


PTB_SMALL = Workload("ptb-small", 10_000, 20, 35, 200, 200, 2, "lstm")
PTB_MEDIUM = Workload("ptb-medium", 10_000, 20, 35, 650, 650, 2, "lstm")
TRAINING = [
    Workload("seed", 418, 10, 5, 100, 100, 1, "rnn"),
    Workload("word-100", 10_000, 20, 35, 100, 100, 1, "lstm"),
    PTB_SMALL,
    PTB_MEDIUM,
    Workload("char-128", 65, 50, 50, 128, 128, 1, "rnn"),
    Workload("char-512", 65, 50, 50, 128, 512, 2, "lstm"),
]
STREAMING = [
    Workload("word-200", 10_000, 1, 1, 200, 200, 2, "lstm"),
    Workload("word-650", 10_000, 1, 1, 650, 650, 2, "lstm"),
    Workload("char-512", 65, 1, 1, 512, 512, 2, "lstm"),
]
LARGE_VOCABULARY = Workload("V=100000", 100_000, 20, 35, 200, 200, 1, "lstm")
SMALL = Workload("small", 1000, 16, 32, 128, 128, 1, "lstm")
TINY = Workload("tiny", 30, 3, 4, 8, 8, 1, "lstm")

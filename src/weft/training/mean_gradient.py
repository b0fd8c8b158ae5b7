"""Gradient accumulation: one gradient out of several blocks.

A block of n_k tokens gives g_k, the gradient of its mean nats per token. The mean over the tokens of all blocks is
Σ n_k loss_k / Σ n_k, and so

    g = Σ_k n_k g_k / Σ_k n_k

kept as a running mean. A matrix of which each block uses few rows is averaged by these rows.
"""

from __future__ import annotations

import numpy as np

from weft.layers.sparse_gradient import RowGradient
from weft.training.interfaces import Floats, Gradient, NamedGradients
from weft.training.running_mean import move_towards


class MeanGradient:
    """The gradient of the mean over all tokens of `blocks` blocks; of one block it is that block's own arrays."""

    def __init__(self, blocks: int) -> None:
        self._blocks = blocks
        self._tokens = 0
        self._names: list[str] = []
        self._rows: dict[str, RowGradient] = {}
        self._whole: dict[str, Floats] = {}

    def add(self, gradients: NamedGradients, tokens: int) -> None:
        """Take in the gradient of the mean over a block's `tokens`; where more blocks follow, its arrays are free."""
        self._names = list(gradients)
        rows = {name: gradient for name, gradient in gradients.items() if isinstance(gradient, RowGradient)}
        whole = {name: gradient for name, gradient in gradients.items() if not isinstance(gradient, RowGradient)}
        first = self._tokens == 0
        self._tokens += tokens
        if self._blocks == 1:
            self._rows, self._whole = rows, whole
        elif first:
            self._copy(rows, whole)
        else:
            fraction = tokens / self._tokens
            self._rows = {name: self._rows[name].moved_towards(gradient, fraction) for name, gradient in rows.items()}
            move_towards([self._whole[name] for name in whole], list(whole.values()), fraction)

    def taken(self) -> dict[str, Gradient]:
        """The mean of all blocks since the last call, in the order in which the gradients were given."""
        self._tokens = 0
        means: dict[str, Gradient] = {**self._rows, **self._whole}
        return {name: means[name] for name in self._names}

    def _copy(self, rows: dict[str, RowGradient], whole: dict[str, Floats]) -> None:
        self._rows = {name: RowGradient(g.shape, g.rows.copy(), g.values.copy()) for name, g in rows.items()}
        if not self._whole:
            self._whole = {name: np.empty_like(gradient) for name, gradient in whole.items()}
        for name, gradient in whole.items():
            np.copyto(self._whole[name], gradient)

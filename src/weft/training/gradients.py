"""The gradient of one step: the mean over the blocks that the step accumulates, and its norm for clipping.

**Accumulation.** Block k has n_k tokens and g_k, the gradient of its mean nats per token. The mean over the tokens of
all blocks is Σ n_k loss_k / Σ n_k, so its gradient is

    g = Σ_k n_k g_k / Σ_k n_k

computed as a running mean. If each block uses few rows of a matrix, only these rows are averaged.

**Clipping** (Pascanu, Mikolov and Bengio 2013). A gradient that exploded through time is scaled back to the norm c:

    g <- f g,      f = min(1, c / (|g| + 1e-6)),      |g| = sqrt(sum of every squared element of every gradient)

All arrays are scaled by the same f, so the direction stays. The optimizer multiplies by f, since it reads the gradient
anyway; here f is only computed.
"""

from __future__ import annotations

import math

import numpy as np

from weft.backends import update_kernel
from weft.layers.sparse_gradient import RowGradient
from weft.training.interfaces import Floats, Gradient, NamedGradients
from weft.training.running_mean import move_towards


class MeanGradient:
    """The gradient of the mean over all tokens of `blocks` blocks. For one block it is that block's own arrays."""

    def __init__(self, blocks: int) -> None:
        self._blocks = blocks
        self._tokens = 0
        self._names: list[str] = []
        self._rows: dict[str, RowGradient] = {}
        self._whole: dict[str, Floats] = {}

    def add(self, gradients: NamedGradients, tokens: int) -> None:
        """Add the gradient of the mean over a block's `tokens`. With several blocks, its arrays may be overwritten
        afterwards."""
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

    def pop(self) -> dict[str, Gradient]:
        """The mean over all blocks since the last call, in the order in which the gradients were given."""
        self._tokens = 0
        means: dict[str, Gradient] = {**self._rows, **self._whole}
        return {name: means[name] for name in self._names}

    def _copy(self, rows: dict[str, RowGradient], whole: dict[str, Floats]) -> None:
        self._rows = {name: RowGradient(g.shape, g.rows.copy(), g.values.copy()) for name, g in rows.items()}
        if not self._whole:
            self._whole = {name: np.empty_like(gradient) for name, gradient in whole.items()}
        for name, gradient in whole.items():
            np.copyto(self._whole[name], gradient)


def clip_factor(norm: float, max_norm: float) -> float:
    """f for the norm |g| and c = `max_norm`. It is 1 if the norm is not finite, which the caller must check."""
    return min(1.0, max_norm / (norm + 1e-6)) if math.isfinite(norm) else 1.0


def global_norm(gradients: NamedGradients) -> float:
    """|g| of gradients, or of any arrays by name. It is not finite if any element is not."""
    arrays = [gradient.values if isinstance(gradient, RowGradient) else gradient for gradient in gradients.values()]
    kernel = update_kernel(arrays[0])
    if kernel:
        return math.sqrt(kernel.squared_norm(arrays))
    with np.errstate(over="ignore", invalid="ignore"):
        return math.sqrt(sum(float(np.vdot(array, array)) for array in arrays))

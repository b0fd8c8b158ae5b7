"""How large the gradient of every weight is on the training text: what the RMS rule of dynamic evaluation goes by.

R = √((1/K) Σ_k g_k²),   g_k the gradient of the mean nats of block k
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from weft.backends import Array
from weft.errors import InputError
from weft.layers import RowGradient
from weft.model import RNNLM
from weft.training.row_chunks import row_chunks


@dataclass(frozen=True)
class GradientSizes:
    """roots: R of every parameter, by name, in arrays like it; mean: of R over all weights."""

    roots: Mapping[str, Array]
    mean: float


def gradient_sizes(model: RNNLM, blocks: Iterable[tuple[NDArray[Any], NDArray[Any]]]) -> GradientSizes:
    """The sizes on blocks (xs, ts), each (N, T), which are read one after another, without dropout and samples.

    Raises InputError if there is no block, or no gradient in them.
    """
    reader = model.with_exact_output().unregularized()
    backend = model.embedding.backend
    squares = {name: backend.xp.zeros_like(parameter) for name, parameter in reader.named_parameters().items()}
    count = 0
    for xs, ts in blocks:
        reader.loss(xs, ts)
        reader.backward()
        count += 1
        for name, gradient in reader.named_gradients().items():
            if isinstance(gradient, RowGradient):
                squares[name][gradient.rows] += gradient.values**2
                continue
            for square, chunk in row_chunks(gradient, squares[name]):
                square += chunk * chunk
    roots = {name: backend.xp.sqrt(square / max(count, 1)) for name, square in squares.items()}
    total = sum(float(backend.xp.sum(root, dtype=backend.xp.float64)) for root in roots.values())
    if not total > 0:
        raise InputError("the RMS rule needs gradients on the training text, and there are none")
    return GradientSizes(roots, total / sum(root.size for root in roots.values()))

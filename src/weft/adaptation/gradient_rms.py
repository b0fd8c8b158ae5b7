"""The root mean square of every weight's gradient on the training text, for the RMS rule of dynamic evaluation.

R = √((1/K) Σ_k g_k²),   g_k the gradient of the mean nats of block k
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from weft.backends import Array
from weft.errors import InputError
from weft.layers import RowGradient
from weft.model import RNNLM
from weft.training.row_chunks import row_chunks


@dataclass(frozen=True)
class GradientRMS:
    """roots: parameter name -> R in the parameter's shape. mean: the mean of R over all weights."""

    roots: Mapping[str, Array] = field(repr=False)
    mean: float


def measure_gradient_rms(model: RNNLM, blocks: Iterable[tuple[NDArray[Any], NDArray[Any]]]) -> GradientRMS:
    """R over blocks (xs, ts), each (N, T) token ids, read in order without dropout and with the exact softmax.

    Raises InputError without blocks, and where all gradients are zero.
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
    return GradientRMS(roots, total / sum(root.size for root in roots.values()))

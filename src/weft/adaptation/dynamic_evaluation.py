"""Dynamic evaluation: gradient steps on the text during evaluation, with decay towards the trained weights.

The text is read in blocks of T tokens. Each block is scored with the current weights θ. Then, with g the gradient of
the block's mean nats by truncated back-propagation through time,

    SGD   θ ← θ - η g               + λ (θ_g - θ)
    RMS   θ ← θ - η g / (R + ε)     + min(λ R / mean(R), 1) (θ_g - θ)          R = √MS

where θ_g are the trained weights, and MS is the mean of g² over blocks of the training text, for each weight (Krause,
Kahembwe, Murray & Renals 2018, "Dynamic evaluation of neural sequence models"). ε is the mean of R over all weights, so
that the scale of η does not depend on the scale of the gradients: a weight with R = ε moves by η g / 2ε.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from weft.adaptation.gradient_rms import GradientRMS
from weft.errors import InputError
from weft.layers import RowGradient
from weft.training.interfaces import NamedArrays, NamedGradients
from weft.training.optimizer import SGD, Optimizer
from weft.training.running_mean import move_towards


class Dynamic(Protocol):
    """A rule by which weights change during evaluation."""

    @property
    def lr(self) -> float:
        """η, the learning rate."""

    @property
    def block(self) -> int:
        """T, the tokens between two updates."""

    def optimizer(self, weights: NamedArrays, trained: NamedArrays) -> Optimizer:
        """The optimizer that updates `weights` in place, with decay towards `trained`."""


@dataclass(frozen=True)
class DynamicSGD:
    """The SGD rule. lr: η; decay: λ in [0, 1]; block: T. Raises InputError for a value out of its bounds."""

    lr: float = 0.1
    decay: float = 0.003
    block: int = 5

    def __post_init__(self) -> None:
        _check(self)

    def optimizer(self, weights: NamedArrays, trained: NamedArrays) -> Optimizer:
        return DecayingSGD(weights, trained, self.decay)


@dataclass(frozen=True)
class DynamicRMS:
    """The RMS rule. rms: R, see `measure_gradient_rms`; lr: η; decay: λ in [0, 1]; block: T.

    Raises InputError for a value out of its bounds.
    """

    rms: GradientRMS
    lr: float = 0.0002
    decay: float = 0.003
    block: int = 5

    def __post_init__(self) -> None:
        _check(self)

    def optimizer(self, weights: NamedArrays, trained: NamedArrays) -> Optimizer:
        return DecayingRMS(weights, trained, self.rms, self.decay)


def _check(dynamic: DynamicSGD | DynamicRMS) -> None:
    if not (math.isfinite(dynamic.lr) and dynamic.lr >= 0):
        raise InputError(f"the learning rate of dynamic evaluation must be at least 0 and finite, got {dynamic.lr:g}")
    if not 0 <= dynamic.decay <= 1:
        raise InputError(f"the decay of dynamic evaluation must lie in [0, 1], got {dynamic.decay:g}")
    if dynamic.block < 1:
        raise InputError(f"a block of dynamic evaluation must have at least 1 token, got {dynamic.block}")


class DecayingSGD(Optimizer):
    """θ ← θ - η g + λ (θ_g - θ)"""

    def __init__(self, weights: NamedArrays, trained: NamedArrays, decay: float) -> None:
        super().__init__(weights)
        self.trained, self.decay = dict(trained), decay

    def update(self, gradients: NamedGradients, lr: float, factor: float = 1.0) -> None:
        kernel, ws, gs, ts = self._kernel(), [], [], []
        for name, weights in self.parameters.items():
            gradient, trained = gradients[name], self.trained[name]
            if kernel and not isinstance(gradient, RowGradient):
                ws.append(weights)
                gs.append(gradient)
                ts.append(trained)
                continue
            move_towards([weights], [trained], self.decay)
            SGD({name: weights}).update({name: gradient}, lr, factor)
        if kernel:
            kernel.sgd_towards(ws, gs, ts, lr * factor, self.decay)


class DecayingRMS(Optimizer):
    """θ ← θ - η g / (R + ε) + min(λ R / ε, 1) (θ_g - θ), where ε is the mean of R over all weights."""

    def __init__(self, weights: NamedArrays, trained: NamedArrays, rms: GradientRMS, decay: float) -> None:
        super().__init__(weights)
        self.trained, self.roots, self.eps = dict(trained), dict(rms.roots), rms.mean
        self.decay = decay / rms.mean

    def update(self, gradients: NamedGradients, lr: float, factor: float = 1.0) -> None:
        kernel = self._kernel()
        for ws, gs, ts, roots in self._groups(gradients, self.trained, self.roots):
            if kernel:
                kernel.rms_towards(ws, gs, ts, roots, lr * factor, self.eps, self.decay)
                continue
            for w, g, t, root in zip(ws, gs, ts, roots, strict=True):
                w += (self.decay * root).clip(None, 1) * (t - w) - lr * factor * g / (root + self.eps)

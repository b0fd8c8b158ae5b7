"""A stack of recurrent layers, each on the output of the one below it.

    y^0 = x          h^l = layer_l(drop(y^{l-1}))          y^l = h^l, or h^l + y^{l-1} with a residual connection

The output is drop(y^L). Residual connections (He et al. 2016; in recurrent stacks Wu et al. 2016) are around every
layer of the size of the one below it, except the first: a tied output layer would then see the embedding of the word
that was just read. They bypass the dropout. Backward, with dh^l = dy^l:

    dy^{l-1} = dh^l back through layer l and drop, + dh^l with a residual connection

x (N, T, D), y^l (N, T, H_l).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from weft.backends import Array, State
from weft.errors import InputError
from weft.layers.activation_penalties import ActivationPenalty, TemporalPenalty
from weft.layers.dropout import LockedDropout, TimeDropout, WeightDropout
from weft.layers.recurrent import TimeRecurrent
from weft.layers.regularization import Regularization

if TYPE_CHECKING:
    import numpy as np

StackState = tuple[State, ...]
"""The state of every layer, the lowest layer first."""


class Stack:
    """`forward(xs (N, T, D)) -> ys (N, T, H)` and `backward(dys) -> dxs` for training; `step` and `unroll` are pure.

    `dropout` is the fraction dropped wherever `regularization` gives none. `penalty` is the sum of the penalties in the
    last `forward`, which the objective has in addition to the mean nats per token. Raises InputError for settings that
    would have no effect.
    """

    def __init__(
        self,
        layers: Iterable[TimeRecurrent],
        rng: np.random.Generator,
        dropout: float = 0.0,
        regularization: Regularization | None = None,
        residual: bool = False,
    ) -> None:
        self.layers = list(layers)
        self.rng, self.dropout, self.regularization = rng, dropout, regularization or Regularization()
        self.regularization.check(type(self.layers[0].cell), len(self.layers), dropout)
        sizes = [layer.cell.state_sizes[0] for layer in self.layers]
        self.residual = residual_layers(sizes) if residual else [False] * len(sizes)
        dropout_type = LockedDropout if self.regularization.dropout_locked else TimeDropout
        self.dropouts = [dropout_type(ratio, rng) for ratio in self.regularization.dropouts(len(self.layers), dropout)]
        if self.regularization.weight_dropout:
            for layer in self.layers:
                layer.weight_dropout = WeightDropout(self.regularization.weight_dropout, rng)
        self._activation_penalty = ActivationPenalty(self.regularization.activation_penalty)
        self._temporal_penalty = TemporalPenalty(self.regularization.temporal_penalty)
        self.penalty = 0.0

    def __repr__(self) -> str:
        return f"Stack({', '.join(map(repr, self.layers))})"

    def of(self, layers: Iterable[TimeRecurrent]) -> Stack:
        """A stack of other layers with the same dropouts, penalties and residual connections."""
        return Stack(layers, self.rng, self.dropout, self.regularization, any(self.residual))

    def unregularized(self, layers: Iterable[TimeRecurrent]) -> Stack:
        """A stack of other layers with the same residual connections, without dropout and penalties."""
        layers = list(layers)
        for layer in layers:
            layer.weight_dropout = None
        return Stack(layers, self.rng, residual=any(self.residual))

    @property
    def is_plain(self) -> bool:
        """True if all layers have the same size and there are no residual connections."""
        return len({layer.cell.state_sizes for layer in self.layers}) == 1 and not any(self.residual)

    @property
    def is_regularized(self) -> bool:
        """True if a training pass drops activations or weights, or adds a penalty."""
        drops = any(dropout.ratio for dropout in self.dropouts) or any(layer.weight_dropout for layer in self.layers)
        return bool(drops or self._activation_penalty.weight or self._temporal_penalty.weight)

    def forward(self, xs: Array) -> Array:
        """A training pass, with dropout; stateful layers start from their last state."""
        ys = xs
        for dropout, layer, residual in zip(self.dropouts[:-1], self.layers, self.residual, strict=True):
            hs = layer.forward(dropout.forward(ys))
            ys = hs + ys if residual else hs
        outputs = self.dropouts[-1].forward(ys)
        self.penalty = 0.0
        if self._activation_penalty.weight:
            self.penalty += self._activation_penalty.forward(outputs)
        if self._temporal_penalty.weight:
            self.penalty += self._temporal_penalty.forward(ys)
        return outputs

    def backward(self, dys: Array) -> Array:
        """dxs from the gradient of the output; the gradient of the penalties is added here."""
        if self._activation_penalty.weight:
            dys = dys + self._activation_penalty.backward()
        dhs = self.dropouts[-1].backward(dys)
        if self._temporal_penalty.weight:
            dhs = dhs + self._temporal_penalty.backward()
        below = list(zip(self.dropouts[:-1], self.layers, self.residual, strict=True))
        for dropout, layer, residual in reversed(below):
            dys = dropout.backward(layer.backward(dhs))
            dhs = dys + dhs if residual else dys
        return dhs

    def step(self, x: Array, state: StackState) -> tuple[Array, StackState]:
        """One step: x (N, D), the state before it -> y (N, H), the state after it; pure, without dropout."""
        y, states = x, []
        for layer, residual, before in zip(self.layers, self.residual, state, strict=True):
            after, _tape = layer.cell.step(layer.cell.project(y), before)
            y = after[0] + y if residual else after[0]
            states.append(after)
        return y, tuple(states)

    def unroll(self, xs: Array, state: StackState) -> tuple[Array, StackState]:
        """A block: xs (N, T, D), the state before it -> ys (N, T, H), the state after it; pure, without dropout."""
        ys, states = xs, []
        for layer, residual, before in zip(self.layers, self.residual, state, strict=True):
            hs, after = layer.unroll(ys, before)
            ys = hs + ys if residual else hs
            states.append(after)
        return ys, tuple(states)


def layer_sizes(embedding_size: int, hidden_size: int, layers: int, tied: bool) -> list[int]:
    """The sizes of the layers' hidden states: H, but D for the last layer if the output weights are the embedding.

    Raises InputError if a single layer would need both sizes.
    """
    if not tied:
        return [hidden_size] * layers
    if layers == 1 and embedding_size != hidden_size:
        raise InputError(
            f"tied weights need embedding_size = hidden_size, got {embedding_size} and {hidden_size}; with two layers "
            "or more they may differ"
        )
    return [hidden_size] * (layers - 1) + [embedding_size]


def residual_layers(sizes: Sequence[int]) -> list[bool]:
    """For each layer whether it has a residual connection; raises InputError if none has."""
    residual = [False, *(above == below for below, above in pairwise(sizes))]
    if not any(residual):
        raise InputError(
            "residual has no effect where no layer has the size of the one below it, here with layers of "
            f"{', '.join(map(str, sizes))}: leave residual out, or set layers"
        )
    return residual

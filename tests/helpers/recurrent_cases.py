"""A recurrent layer with nonzero parameters, inputs, states and upstream gradients, for the contract tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.backends import State
from weft.layers import TimeRecurrent

Floats = Any


class Case:
    """A layer with random parameters, inputs, initial state and upstream gradients, all nonzero."""

    def __init__(self, layer_type: type[TimeRecurrent], N: int = 2, T: int = 3, D: int = 4, H: int = 5) -> None:
        rng = np.random.default_rng(0)
        shapes = [param.shape for param in layer_type.cell_type.initial_parameters(np.random.default_rng(0), D, H)]
        self.params = layer_type.cell_type.named(rng.normal(0, 0.5, shape) for shape in shapes)
        self.layer = layer_type(**self.params, stateful=True)
        self.xs = rng.normal(size=(N, T, D))
        self.state: State = tuple(rng.normal(size=(N, size)) for size in self.layer.cell.state_sizes)
        self.dhs = rng.normal(size=(N, T, H))
        self.dlast: State = tuple(rng.normal(size=(N, size)) for size in self.layer.cell.state_sizes)

    def forward(self) -> tuple[Floats, State]:
        self.layer.set_state(*self.state)
        hs = self.layer.forward(self.xs)
        assert self.layer.state is not None
        return hs, self.layer.state

    def objective(self) -> float:
        """A number whose gradients are the upstream gradients: on the outputs and on the last state."""
        hs, last = self.forward()
        return float((hs * self.dhs).sum() + sum((s * d).sum() for s, d in zip(last, self.dlast, strict=True)))

    def gradients(self) -> dict[str, Floats]:
        self.forward()
        dxs = self.layer.backward(self.dhs, *self.dlast)
        return {
            "xs": dxs,
            **self.layer.cell.named(self.layer.grads),
            **{f"first {name}": getattr(self.layer, f"d{name}") for name in self.layer.cell.state_names},
        }

    def inputs(self) -> dict[str, Floats]:
        names = [f"first {name}" for name in self.layer.cell.state_names]
        return {
            "xs": self.xs,
            **self.params,
            **dict(zip(names, self.state, strict=True)),
        }

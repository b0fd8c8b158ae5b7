"""Optimizers: SGD, SGD with momentum, AdamW.

An optimizer holds the named parameters of a model and updates these arrays in place. In the equations w is a parameter,
g its gradient and eta the learning rate. In all optimizers the weight decay lambda is decoupled from the gradient, as
in AdamW (Loshchilov and Hutter 2019): before the update

    w <- w - eta lambda w

for matrices only, not for biases, which have one dimension. For plain SGD this is the gradient of lambda |w|^2 / 2,
without clipping.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from weft.backends import AdamStep, UpdateKernel, update_kernel
from weft.config import TrainingConfig
from weft.errors import CheckpointError
from weft.layers.sparse_gradient import RowGradient
from weft.training.interfaces import Floats, NamedArrays, NamedGradients
from weft.training.row_chunks import CHUNK_ELEMENTS, KERNEL_CHUNK_ELEMENTS, row_chunks


class Optimizer(ABC):
    """The parameters, and the arrays that the update rule keeps from one step to the next."""

    def __init__(self, parameters: NamedArrays, weight_decay: float = 0.0) -> None:
        self.parameters = dict(parameters)
        self.weight_decay = weight_decay
        self._state: dict[str, np.ndarray[Any, Any]] = {}

    @abstractmethod
    def update(self, gradients: NamedGradients, lr: float, factor: float = 1.0) -> None:
        """One step: update every parameter in place by `factor` times its gradient, with learning rate `lr`.

        factor  the factor of clipping; see `weft.training.gradients`

        The gradients are not changed.
        """

    def state(self) -> dict[str, np.ndarray[Any, Any]]:
        """The arrays that must be saved to continue, by name, not copied."""
        return dict(self._state)

    def load_state(self, state: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """Continue from a saved `state()`, bit for bit.

        Raises CheckpointError, without any change, if the state is of another model or optimizer.
        """
        for name in self._state.keys() | state.keys():
            if name not in state:
                raise CheckpointError(f"the optimizer's saved state lacks {name!r}")
            if name not in self._state:
                raise CheckpointError(f"the optimizer's saved state has an unexpected array {name!r}")
            _check_same_shape(name, state[name], self._state[name])
        for name, array in self._state.items():
            array[...] = state[name]

    def _kernel(self) -> UpdateKernel | None:
        return update_kernel(next(iter(self.parameters.values())))

    def _decay(self, lr: float) -> None:
        """w <- w - eta lambda w, for all matrices."""
        if not self.weight_decay:
            return
        matrices = [parameter for parameter in self.parameters.values() if parameter.ndim > 1]
        kernel, factor = self._kernel(), 1 - lr * self.weight_decay
        if kernel:
            kernel.scale(matrices, factor)
            return
        for matrix in matrices:
            matrix *= factor

    def _groups(self, gradients: NamedGradients, *states: dict[str, Floats]) -> Iterator[tuple[list[Floats], ...]]:
        """Lists of arrays to update together: parameters, gradients and the arrays of `states`, at equal indices.

        A kernel gets all whole arrays at once. Otherwise, and for a `RowGradient`, which is never expanded as a whole,
        the arrays come in row chunks.
        """
        whole: list[tuple[Floats, ...]] = []
        for name, gradient in gradients.items():
            parameter, kept = self.parameters[name], [state[name] for state in states]
            if not isinstance(gradient, RowGradient) and self._kernel():
                whole.append((parameter, gradient, *kept))
                continue
            elements = KERNEL_CHUNK_ELEMENTS if self._kernel() else CHUNK_ELEMENTS
            for chunk in row_chunks(gradient, parameter, *kept, elements=elements):
                yield tuple([array] for array in chunk)
        if whole:
            yield tuple(list(arrays) for arrays in zip(*whole, strict=True))

    def _new_state(self, prefix: str) -> dict[str, Floats]:
        """New state arrays: zeros of the shape of every parameter, by name of the parameter."""
        arrays = {name: np.zeros_like(parameter) for name, parameter in self.parameters.items()}
        self._state.update({f"{prefix}.{name}": array for name, array in arrays.items()})
        return arrays


class SGD(Optimizer):
    """w <- w - eta g"""

    def update(self, gradients: NamedGradients, lr: float, factor: float = 1.0) -> None:
        self._decay(lr)
        rate = lr * factor
        kernel, ws, gs = self._kernel(), [], []
        for name, parameter in self.parameters.items():
            gradient = gradients[name]
            if isinstance(gradient, RowGradient):
                if kernel:
                    kernel.subtract_rows(parameter, gradient.rows, gradient.values, rate)
                else:
                    parameter[gradient.rows] -= rate * gradient.values
            elif kernel:
                ws.append(parameter)
                gs.append(gradient)
            else:
                for w, g in row_chunks(gradient, parameter):
                    w -= rate * g
        if kernel:
            kernel.sgd(ws, gs, rate)


class Momentum(Optimizer):
    """v <- mu v + g,  w <- w - eta v, with v = 0 at first.

    The heavy-ball method (Polyak 1964). eta is outside the sum, so that a new learning rate takes effect at once.
    """

    def __init__(self, parameters: NamedArrays, momentum: float = 0.9, weight_decay: float = 0.0) -> None:
        super().__init__(parameters, weight_decay)
        self.momentum = momentum
        self._velocity = self._new_state("velocity")

    def update(self, gradients: NamedGradients, lr: float, factor: float = 1.0) -> None:
        self._decay(lr)
        kernel = self._kernel()
        for ws, gs, vs in self._groups(gradients, self._velocity):
            if kernel:
                kernel.momentum(ws, gs, vs, self.momentum, lr, factor)
                continue
            for w, g, v in zip(ws, gs, vs, strict=True):
                v *= self.momentum
                v += factor * g
                w -= lr * v


class AdamW(Optimizer):
    """Adam (Kingma and Ba 2015) with decoupled weight decay (Loshchilov and Hutter 2019).

        m <- beta1 m + (1 - beta1) g            m' = m / (1 - beta1^t)
        v <- beta2 v + (1 - beta2) g^2          v' = v / (1 - beta2^t)
        w <- w - eta lambda w - eta m' / (sqrt(v') + eps)

    at step t = 1, 2, ..., with m = v = 0 at first. The default of beta2 is 0.99, not the usual 0.999, since blocks of
    text are small and their gradients change quickly.
    """

    def __init__(
        self,
        parameters: NamedArrays,
        betas: tuple[float, float] = (0.9, 0.99),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, weight_decay)
        self.betas = betas
        self.eps = eps
        self._mean = self._new_state("mean")
        self._square = self._new_state("square")
        self._steps = self._state["steps"] = np.zeros(1, dtype=np.int64)

    def update(self, gradients: NamedGradients, lr: float, factor: float = 1.0) -> None:
        beta1, beta2 = self.betas
        self._steps += 1
        steps = int(self._steps[0])
        mean_correction = 1 - beta1**steps
        root_correction = math.sqrt(1 - beta2**steps)
        kernel, step = self._kernel(), AdamStep(self.betas, lr / mean_correction, root_correction, self.eps, factor)
        if kernel:
            of_rows = {name: gradient for name, gradient in gradients.items() if isinstance(gradient, RowGradient)}
            for name, few in of_rows.items():
                w, m, v = (arrays[name] for arrays in (self.parameters, self._mean, self._square))
                kernel.adamw_rows(w, few.rows, few.values, m, v, step, lr * self.weight_decay)
            gradients = {name: gradient for name, gradient in gradients.items() if name not in of_rows}
        for ws, gs, ms, vs in self._groups(gradients, self._mean, self._square):
            decays = [lr * self.weight_decay if w.ndim > 1 else 0.0 for w in ws]
            if kernel:
                kernel.adamw(ws, gs, ms, vs, step, decays)
                continue
            for w, gradient, m, v, decay in zip(ws, gs, ms, vs, decays, strict=True):
                g = factor * gradient
                m += (1 - beta1) * (g - m)
                v *= beta2
                v += (1 - beta2) * (g * g)
                if decay:
                    w *= 1 - decay
                w -= (lr / mean_correction) * (m / (np.sqrt(v) / root_correction + self.eps))


def make_optimizer(config: TrainingConfig, parameters: NamedArrays) -> Optimizer:
    """The optimizer of `parameters` that `config` selects."""
    if config.optimizer == "momentum":
        return Momentum(parameters, config.momentum, config.weight_decay)
    if config.optimizer == "adamw":
        return AdamW(parameters, betas=(config.beta1, config.beta2), weight_decay=config.weight_decay)
    return SGD(parameters, config.weight_decay)


def _check_same_shape(name: str, saved: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> None:
    if saved.shape != expected.shape or saved.dtype != expected.dtype:
        raise CheckpointError(
            f"the optimizer's saved {name!r} is {saved.dtype} {saved.shape}, expected {expected.dtype} {expected.shape}"
        )

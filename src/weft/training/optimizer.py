"""How gradients become updates: SGD, SGD with momentum, AdamW.

An optimizer is made on the model's named parameters and changes these arrays in place. In the equations w is a
parameter, g its gradient, eta the learning rate. Weight decay lambda is decoupled from the gradient in all of them, as
in AdamW (Loshchilov and Hutter 2019): before the update

    w <- w - eta lambda w

of matrices only: a bias, having one dimension, is left out. For plain SGD that is the gradient of lambda |w|^2 / 2,
untouched by clipping.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from weft.backends import UpdateKernel, backend_of
from weft.config import TrainingConfig
from weft.errors import CheckpointError
from weft.layers.sparse_gradient import RowGradient
from weft.training.interfaces import Floats, NamedArrays, NamedGradients
from weft.training.row_chunks import CHUNK_ELEMENTS, KERNEL_CHUNK_ELEMENTS, row_chunks


class Optimizer(ABC):
    """Parameters, and whatever arrays the update rule remembers from one step to the next."""

    def __init__(self, parameters: NamedArrays, weight_decay: float = 0.0) -> None:
        self.parameters = dict(parameters)
        self.weight_decay = weight_decay
        self._memory: dict[str, np.ndarray[Any, Any]] = {}

    @abstractmethod
    def update(self, gradients: NamedGradients, lr: float, factor: float = 1.0) -> None:
        """One step: change every parameter in place by `factor` times its gradient, with learning rate `lr`.

        The factor is that of clipping (see `gradients`). The gradients are left as they are.
        """

    def state(self) -> dict[str, np.ndarray[Any, Any]]:
        """What must be saved to continue: the live arrays by name, not copies."""
        return dict(self._memory)

    def load_state(self, state: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """Continue from a saved `state()`, bit for bit; raises CheckpointError if it is of another model or optimizer.

        Nothing is changed unless all of it fits.
        """
        for name in self._memory.keys() | state.keys():
            if name not in state:
                raise CheckpointError(f"the optimizer's saved state lacks {name!r}")
            if name not in self._memory:
                raise CheckpointError(f"the optimizer's saved state has an unexpected array {name!r}")
            _check_alike(name, state[name], self._memory[name])
        for name, array in self._memory.items():
            array[...] = state[name]

    def _kernel(self) -> UpdateKernel | None:
        parameter = next(iter(self.parameters.values()))
        return backend_of(parameter).update_kernel(parameter.dtype)

    def _decay(self, lr: float) -> None:
        """w <- w - eta lambda w, of all matrices."""
        if not self.weight_decay:
            return
        matrices = [parameter for parameter in self.parameters.values() if parameter.ndim > 1]
        kernel, kept = self._kernel(), 1 - lr * self.weight_decay
        if kernel:
            kernel.scale(matrices, kept)
            return
        for matrix in matrices:
            matrix *= kept

    def _groups(self, gradients: NamedGradients, *memories: dict[str, Floats]) -> Iterator[tuple[list[Floats], ...]]:
        """Lists of parameters, gradients and what is remembered of them, alike: all whole arrays at once for a kernel,
        else piece by piece; the gradient of few rows always in pieces, so that it is never written out whole."""
        whole: list[tuple[Floats, ...]] = []
        for name, gradient in gradients.items():
            parameter, own = self.parameters[name], [memory[name] for memory in memories]
            if not isinstance(gradient, RowGradient) and self._kernel():
                whole.append((parameter, gradient, *own))
                continue
            elements = KERNEL_CHUNK_ELEMENTS if self._kernel() else CHUNK_ELEMENTS
            for chunk in row_chunks(gradient, parameter, *own, elements=elements):
                yield tuple([array] for array in chunk)
        if whole:
            yield tuple(list(arrays) for arrays in zip(*whole, strict=True))

    def _remember(self, prefix: str) -> dict[str, Floats]:
        """An array of zeros for every parameter, by the parameter's name."""
        memory = {name: np.zeros_like(parameter) for name, parameter in self.parameters.items()}
        self._memory.update({f"{prefix}.{name}": array for name, array in memory.items()})
        return memory


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

    The heavy-ball method (Polyak 1964), with eta outside the sum, so that a change of it acts at once.
    """

    def __init__(self, parameters: NamedArrays, momentum: float = 0.9, weight_decay: float = 0.0) -> None:
        super().__init__(parameters, weight_decay)
        self.momentum = momentum
        self._velocity = self._remember("velocity")

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

    at step t = 1, 2, ..., with m = v = 0 at first. beta2 is 0.99 rather than the customary 0.999: blocks of text
    are small and their gradients change quickly.
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
        self._mean = self._remember("mean")
        self._square = self._remember("square")
        self._steps = self._memory["steps"] = np.zeros(1, dtype=np.int64)

    def update(self, gradients: NamedGradients, lr: float, factor: float = 1.0) -> None:
        beta1, beta2 = self.betas
        self._steps += 1
        steps = int(self._steps[0])
        mean_correction = 1 - beta1**steps
        root_correction = math.sqrt(1 - beta2**steps)
        kernel, numbers = self._kernel(), (lr / mean_correction, root_correction, self.eps)
        if kernel:
            of_rows = {name: gradient for name, gradient in gradients.items() if isinstance(gradient, RowGradient)}
            for name, few in of_rows.items():
                w, m, v = (arrays[name] for arrays in (self.parameters, self._mean, self._square))
                kernel.adamw_rows(w, few.rows, few.values, m, v, self.betas, *numbers, lr * self.weight_decay, factor)
            gradients = {name: gradient for name, gradient in gradients.items() if name not in of_rows}
        for ws, gs, ms, vs in self._groups(gradients, self._mean, self._square):
            decays = [lr * self.weight_decay if w.ndim > 1 else 0.0 for w in ws]
            if kernel:
                kernel.adamw(ws, gs, ms, vs, self.betas, *numbers, decays, factor)
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
    """The optimizer that `config` names, on `parameters`."""
    if config.optimizer == "momentum":
        return Momentum(parameters, config.momentum, config.weight_decay)
    if config.optimizer == "adamw":
        return AdamW(parameters, betas=(config.beta1, config.beta2), weight_decay=config.weight_decay)
    return SGD(parameters, config.weight_decay)


def _check_alike(name: str, saved: np.ndarray[Any, Any], own: np.ndarray[Any, Any]) -> None:
    if saved.shape != own.shape or saved.dtype != own.dtype:
        raise CheckpointError(
            f"the optimizer's saved {name!r} is {saved.dtype} {saved.shape}, expected {own.dtype} {own.shape}"
        )

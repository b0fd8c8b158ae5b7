"""Cell: the equation of one time step, in the form that single steps and the time loop share.

A cell multiplies its input x_t by W_x and its previous hidden state by W_h. The input projection

    a_t = x_t W_x + b                                         (N, G·H)

does not depend on other steps, so a block computes it for all steps in one product. A subclass defines the rest:

    step:           a_t, state_{t-1}  ->  state_t             and a tape: the arrays that `step_backward` needs
    step_backward:  d state_t         ->  da_t, d state_{t-1}

The gradients of the parameters follow from all da_t in one product each, after the loop:

    dW_x = Σ_t x_tᵀ da_t          db = Σ_t da_t          dW_h = Σ_t u_tᵀ da_t

where u_t is what W_h was multiplied by at step t: h_{t-1}, unless the cell says otherwise in `recurrent_inputs`.

N streams, D inputs, H hidden units, G gates: x (N, D), h (N, H), W_x (D, G·H), W_h (H, G·H), b (G·H,).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from weft.backends import Array, State
from weft.errors import InputError
from weft.layers.layer import Layer, check_shape

if TYPE_CHECKING:
    import numpy as np

Tape = tuple[Array, ...]


class Cell(Layer, ABC):
    """Base class of the cells. A subclass gives `name`, `gates`, `state_names`, `step` and `step_backward`.

    `params` is [Wx, Wh, b], followed by the arrays that `vectors` names. The tape of a step begins with the previous
    hidden state. Raises InputError for missing or unknown vectors and for arrays of other shapes.
    """

    name: ClassVar[str]
    """The name by which `time_layers` and the option --cell know the cell."""
    gates: ClassVar[int]
    """G, the number of column blocks of W_x, W_h and b."""
    state_names: ClassVar[tuple[str, ...]] = ("h",)
    settings: ClassVar[tuple[str, ...]] = ()
    """Names of keyword arguments of `initial_parameters`."""
    vectors: ClassVar[Mapping[str, int]] = {}
    """Further parameters by name, with their lengths as multiples of H; arguments of the constructor."""
    recurs: ClassVar[bool] = True
    """True if W_h multiplies the cell's own output."""

    def __init__(self, Wx: Array, Wh: Array, b: Array, **vectors: Array) -> None:
        self._check_parameters(Wx, Wh, b)
        self._check_vectors(vectors, b.shape[0] // self.gates)
        super().__init__(Wx, Wh, b, *(vectors[name] for name in self.vectors))

    @classmethod
    def named(cls, params: Iterable[Array]) -> dict[str, Array]:
        """Parameters in the order of `params`, by the names of the constructor's arguments."""
        return dict(zip(("Wx", "Wh", "b", *cls.vectors), params, strict=True))

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """The width of each part of the state, H by default."""
        return (self.params[1].shape[0],) * len(self.state_names)

    @property
    def saved_size(self) -> int:
        """About how many numbers are saved for the backward pass, per step and stream."""
        return int((3 * self.gates + 6) * self.params[1].shape[0])

    def forward(self, x: Array, *state_prev: Array) -> Any:
        """x (N, D) and the previous state, each part (N, H) -> the next state: h_next, or (h_next, c_next).

        Raises InputError for inputs of other shapes.
        """
        self._check_input(x, state_prev)
        state_next, self._tape = self.step(self.project(x), state_prev)
        self._x = x
        return state_next if len(state_next) > 1 else state_next[0]

    def backward(self, *dstate_next: Array) -> tuple[Array, ...]:
        """The gradient of each part of the next state -> dx (N, D) and that of each part of the previous state."""
        da, dstate_prev = self.step_backward(dstate_next, self._tape)
        dx = self.project_backward(self._x, self.recurrent_inputs(self._tape), da)
        return dx, *dstate_prev

    @abstractmethod
    def step(self, a: Array, state_prev: State) -> tuple[State, Tape]:
        """The next state from a = x W_x + b (N, G·H) and the previous state, and the tape; the cell does not change."""

    @abstractmethod
    def step_backward(self, dstate_next: State, tape: Tape) -> tuple[Array, State]:
        """The gradient of the next state and the step's tape -> da (N, G·H) and the gradient of the previous state."""

    def recurrent_inputs(self, tape: Tape) -> tuple[Array, ...]:
        """The arrays of the tape that `recurrent_gradient` needs of every step: what W_h was multiplied by."""
        return tape[:1]

    def recurrent_gradient(self, inputs: tuple[Array, ...], da: Array) -> Array:
        """dW_h from `recurrent_inputs` and da, whose rows are the steps of all streams."""
        (h_prev,) = inputs
        return h_prev.T @ da

    def project(self, x: Array) -> Array:
        """a = x W_x + b (R, G·H) for rows of inputs (R, D)."""
        Wx, _Wh, b = self.params
        return x @ Wx + b

    def project_backward(self, x: Array, inputs: tuple[Array, ...], da: Array) -> Array:
        """dx (R, D) from da (R, G·H); writes the gradients of all three parameters."""
        Wx, _Wh, _b = self.params
        dWx, dWh, db = self.grads
        dWx[...] = x.T @ da
        dWh[...] = self.recurrent_gradient(inputs, da)
        db[...] = self.xp.sum(da, axis=0)
        return da @ Wx.T

    def zero_state(self, N: int) -> State:
        """The state of N streams before their first token: zeros, each part (N, H)."""
        return tuple(self.xp.zeros((N, size), dtype=self.params[0].dtype) for size in self.state_sizes)

    def _parameter_names(self) -> Iterable[str]:
        return self.named(self.params)

    def _check_parameters(self, Wx: Array, Wh: Array, b: Array) -> None:
        check_shape(f"Wh of {type(self).__name__}", Wh, ("H", "G·H"))
        H = Wh.shape[0]
        check_shape(f"Wx of {type(self).__name__}", Wx, ("D", self.gates * H))
        check_shape(f"Wh of {type(self).__name__}", Wh, (H, self.gates * H))
        check_shape(f"b of {type(self).__name__}", b, (self.gates * H,))

    def _check_vectors(self, given: Mapping[str, Array], H: int) -> None:
        if given.keys() != self.vectors.keys():
            raise InputError(
                f"{type(self).__name__} takes {', '.join(('Wx', 'Wh', 'b', *self.vectors))}, "
                f"got {', '.join(('Wx', 'Wh', 'b', *given))}"
            )
        for name, times in self.vectors.items():
            check_shape(f"{name} of {type(self).__name__}", given[name], (times * H,))

    def _check_input(self, x: Array, state_prev: State) -> None:
        check_shape("x", x, ("N", self.params[0].shape[0]))
        if len(state_prev) != len(self.state_names):
            raise InputError(
                f"{type(self).__name__} takes the previous {' and '.join(self.state_names)}, not {len(state_prev)}"
            )
        for name, size, part in zip(self.state_names, self.state_sizes, state_prev, strict=True):
            check_shape(f"{name}_prev", part, (x.shape[0], size))

    @classmethod
    def initial_parameters(cls, rng: np.random.Generator, D: int, H: int) -> list[np.ndarray[Any, Any]]:
        """Initial Wx, Wh and b in float64: normal with standard deviations 1/√D and 1/√H, and zero."""
        Wx = rng.normal(0, D**-0.5, (D, cls.gates * H))
        Wh = rng.normal(0, H**-0.5, (H, cls.gates * H))
        return [Wx, Wh, 0 * Wh[0]]


def sigmoid(xp: Any, x: Array) -> Array:
    """σ(x) = 1 / (1 + exp(-x)), computed as (1 + tanh(x / 2)) / 2, which cannot overflow."""
    return 0.5 * (xp.tanh(0.5 * x) + 1)

"""Layer: parameters, their gradients, and the backend whose arrays they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from weft.backends import Array, backend_of
from weft.errors import InputError


class Layer:
    """Parameters `params` and gradients `grads`: in the same order, of the same shapes, both updated in place.

    `backward` overwrites the gradients of the call before. `backend` and `xp` are those of the parameters' arrays;
    layers without parameters have neither.
    """

    def __init__(self, *params: Array) -> None:
        self.params: list[Array] = list(params)
        self.grads: list[Array] = []
        if params:
            self.backend = backend_of(params[0])
            self.grads = [self.xp.zeros_like(param) for param in params]

    @property
    def xp(self) -> Any:
        """The functions of the array library, see `Backend.xp`; looked up each time, since modules have no copies."""
        return self.backend.xp

    def __repr__(self) -> str:
        """The class and the shape of every parameter."""
        named = zip(self._parameter_names(), self.params, strict=False)
        return f"{type(self).__name__}({', '.join(f'{name} {tuple(param.shape)}' for name, param in named)})"

    def _parameter_names(self) -> Iterable[str]:
        return ("W", "b")


def check_shape(what: str, array: Array, expected: tuple[int | str, ...]) -> None:
    """Raise InputError unless `array` has the shape `expected`, in which a string is the name of any size."""
    if not hasattr(array, "shape"):
        raise InputError(f"{what} must be an array, got {type(array).__name__}")
    shape = tuple(array.shape)
    if len(shape) == len(expected):
        for size, given in zip(expected, shape, strict=True):
            if size != given and isinstance(size, int):
                break
        else:
            return
    wanted = ", ".join(str(size) for size in expected) + ("," if len(expected) == 1 else "")
    raise InputError(f"{what} must have shape ({wanted}), got {shape}")

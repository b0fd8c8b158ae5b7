"""Names for the parameters of several layers: each is one entry of a layer's `params` and `grads`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from weft.backends import Array
from weft.layers.layer import Layer


class NamedParameters:
    """Parameters in the order in which they were added."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[Layer, int]] = {}

    def add(self, prefix: str, layer: Layer, names: Iterable[str], first: int = 0) -> None:
        """Add a layer's parameters from index `first` on as "prefix.name"; `names` are those of all its parameters."""
        for index, name in enumerate(names):
            if index >= first:
                self._entries[f"{prefix}.{name}"] = (layer, index)

    def parameters(self) -> dict[str, Array]:
        """The arrays by name."""
        return {name: layer.params[index] for name, (layer, index) in self._entries.items()}

    def gradients(self) -> dict[str, Any]:
        """The gradients of the last backward pass by name: arrays or `RowGradient`s."""
        return {name: layer.grads[index] for name, (layer, index) in self._entries.items()}

    def replace(self, arrays: Iterable[Array]) -> None:
        """Put other arrays, in the same order, in place of the layers' own; raises ValueError for another number."""
        for (layer, index), array in zip(self._entries.values(), arrays, strict=True):
            layer.params[index] = array

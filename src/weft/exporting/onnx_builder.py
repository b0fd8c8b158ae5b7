"""An ONNX graph that is written node by node: each method adds a node and returns the name of its result.

The package `onnx` (the extra `onnx`) is imported when a graph is made.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any

import numpy as np

from weft.errors import InputError

OPSET, IR_VERSION = 17, 10
"""Old versions, which every current release of ONNX Runtime reads."""


class GraphBuilder:
    """The nodes of a graph, and its weights by name. prefix: of the names of results."""

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self.nodes: list[Any] = []
        self.weights: dict[str, np.ndarray[Any, Any]] = {}

    def weight(self, name: str, values: Any) -> str:
        """A weight, or another array that does not change."""
        self.weights[name] = np.ascontiguousarray(values)
        return name

    def several(self, op: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> None:
        """A node whose results have these names; "" as a name leaves an input or a result out."""
        from onnx import helper

        self.nodes.append(helper.make_node(op, list(inputs), list(outputs), **attributes))

    def one(self, op: str, *inputs: str, to: str = "", **attributes: Any) -> str:
        """A node with one result, which gets a name of its own unless `to` gives one."""
        name = to or f"{self.prefix}{op.lower()}_{len(self.nodes)}"
        self.several(op, inputs, [name], **attributes)
        return name

    def squeeze(self, x: str, axis: int, to: str = "") -> str:
        """x without an axis of length 1."""
        return self.one("Squeeze", x, self._axis(axis), to=to)

    def unsqueeze(self, x: str, axis: int, to: str = "") -> str:
        """x with one more axis, of length 1."""
        return self.one("Unsqueeze", x, self._axis(axis), to=to)

    def affine(self, x: str, W: str, b: str, to: str = "") -> str:
        """x W + b."""
        return self.one("Add", self.one("MatMul", x, W), b, to=to)

    def split(self, x: str, sizes: Sequence[int]) -> list[str]:
        """Consecutive parts of the last axis of x."""
        lengths = self.weight(f"{self.prefix}lengths_{'_'.join(map(str, sizes))}", np.array(sizes))
        parts = [f"{self.prefix}part_{len(self.nodes)}_{number}" for number in range(len(sizes))]
        self.several("Split", [x, lengths], parts, axis=-1)
        return parts

    def _axis(self, axis: int) -> str:
        return self.weight(f"{self.prefix}at_{axis}", np.array([axis]))


def value(name: str, shape: Sequence[int | str], is_integer: bool = False) -> Any:
    """The description of an input or output; strings in `shape` are names of lengths that may vary."""
    from onnx import TensorProto, helper

    return helper.make_tensor_value_info(name, TensorProto.INT64 if is_integer else TensorProto.FLOAT, shape)


def graph_of(builder: GraphBuilder, name: str, inputs: Sequence[Any], outputs: Sequence[Any]) -> Any:
    """The graph of a builder's nodes and weights."""
    from onnx import helper, numpy_helper

    weights = [numpy_helper.from_array(values, name) for name, values in builder.weights.items()]
    return helper.make_graph(builder.nodes, name, inputs, outputs, weights)


def check_installed(*packages: str) -> None:
    """Raise InputError if one of the packages, those of the extra `onnx`, is not installed."""
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise InputError(
                f"the export needs the package {package!r}, which is not installed: pip install 'weft[onnx]'"
            )

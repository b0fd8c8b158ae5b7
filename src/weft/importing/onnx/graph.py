"""The graph of an ONNX file: its nodes, and its constant tensors, which are views of the file until they are needed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from weft.errors import InputError, quoted
from weft.importing.budget import Budget
from weft.importing.foreign_model import Floats
from weft.importing.onnx import protobuf

FLOATS = {1: "<f4", 10: "<f2", 11: "<f8", 16: "<u2"}
"""Types of numbers that parameters can have; 16 is bfloat16."""
NODE_BYTES = 2000
"""About how much memory a node takes."""


@dataclass
class Constant:
    """A tensor of the file."""

    shape: tuple[int, ...]
    data_type: int
    raw: memoryview | None
    floats: memoryview | None

    def array(self, budget: Budget) -> Floats:
        """Its numbers as float32. Raises InputError for other types, and for more or fewer than its shape has."""
        if self.data_type not in FLOATS:
            raise InputError(
                f"a tensor of its model has numbers of ONNX's type {self.data_type}, not of a floating type"
            )
        data, kind = (self.raw, FLOATS[self.data_type]) if self.raw is not None else (self.floats, "<f4")
        count = math.prod(self.shape)
        if data is None or len(data) != count * np.dtype(kind).itemsize:
            raise InputError("a tensor of its model has more or fewer numbers in the file than its shape says")
        budget.spend(4 * count)
        values = np.frombuffer(data, kind)
        if self.data_type == 16:
            values = (values.astype(np.uint32) << 16).view(np.float32)
        with np.errstate(over="ignore"):  # numbers beyond the range of float32 are found later, as infinite
            return np.array(values.reshape(self.shape), np.float32)


@dataclass
class Node:
    """An operation: its type, the names of its inputs and outputs, and its attributes."""

    kind: str = ""
    name: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)

    def input(self, index: int) -> str:
        """The name of an input; empty if it has none there."""
        return self.inputs[index] if index < len(self.inputs) else ""

    def __str__(self) -> str:
        return f"{quoted(self.kind)[1:-1]} {quoted(self.name or (self.outputs or [''])[0])}"


@dataclass
class Graph:
    """Nodes in their order, constants by name, names of the results, and the metadata of the model."""

    nodes: list[Node]
    constants: Mapping[str, Constant]
    outputs: list[str]
    metadata: Mapping[str, str]


def read_graph(data: memoryview, budget: Budget) -> Graph:
    """The graph of a model. Raises InputError if the file is damaged, or not one of ONNX."""
    graph: memoryview | None = None
    metadata: dict[str, str] = {}
    for number, value in protobuf.fields(data):
        if number == 7:
            graph = protobuf.message(value)
        elif number == 14:
            entry = {
                key: protobuf.text(each) for key, each in protobuf.fields(protobuf.message(value)) if key in (1, 2)
            }
            budget.spend(200 + 4 * sum(map(len, entry.values())))
            metadata[entry.get(1, "")] = entry.get(2, "")
    if graph is None:
        raise InputError("it has no graph")
    nodes, constants, outputs = [], {}, []
    for number, value in protobuf.fields(graph):
        if number == 1:
            nodes.append(_node(protobuf.message(value), budget))
        elif number == 5:
            name, constant = _tensor(protobuf.message(value), budget)
            constants[name] = constant
        elif number == 12:
            outputs += [protobuf.text(each) for key, each in protobuf.fields(protobuf.message(value)) if key == 1]
    for node in nodes:
        value_of = node.attributes.get("value")
        if node.kind == "Constant" and isinstance(value_of, Constant):
            constants.update(dict.fromkeys(node.outputs, value_of))
    return Graph(nodes, constants, outputs, metadata)


def _node(data: memoryview, budget: Budget) -> Node:
    budget.spend(NODE_BYTES)
    node = Node()
    for number, value in protobuf.fields(data):
        if number in (1, 2):
            budget.spend(100 + 4 * len(protobuf.message(value)))
            (node.inputs if number == 1 else node.outputs).append(protobuf.text(value))
        elif number == 3:
            node.name = protobuf.text(value)
        elif number == 4:
            node.kind = protobuf.text(value)
        elif number == 5:
            name, attribute = _attribute(protobuf.message(value), budget)
            node.attributes[name] = attribute
    return node


def _attribute(data: memoryview, budget: Budget) -> tuple[str, Any]:
    """The name and the value of an attribute: a number, a string, a tensor or a list of numbers or strings."""
    budget.spend(400)
    name = ""
    value: Any = None
    several: list[Any] = []
    for number, each in protobuf.fields(data):
        if number == 1:
            name = protobuf.text(each)
        elif number == 2:
            value = protobuf.number(each)
        elif number == 3:
            value = protobuf.signed(each)
        elif number == 4:
            value = protobuf.text(each)
        elif number == 5:
            _name, value = _tensor(protobuf.message(each), budget)
        elif number == 6:
            value = "a graph"
        elif number in (7, 8, 9):
            budget.spend(100 + (0 if isinstance(each, int) else 40 * len(each)))
            several += protobuf.whole_numbers(each) if number == 8 else [protobuf.text(each)] if number == 9 else [0.0]
    return name, several or value


def _tensor(data: memoryview, budget: Budget) -> tuple[str, Constant]:
    budget.spend(600)
    name, constant, external = "", Constant((), 0, None, None), False
    shape: list[int] = []
    for number, value in protobuf.fields(data):
        if number == 1:
            budget.spend(100 + (0 if isinstance(value, int) else 40 * len(value)))
            shape += protobuf.whole_numbers(value)
        elif number == 2:
            constant.data_type = protobuf.signed(value)
        elif number == 4:
            constant.floats = protobuf.message(value)
        elif number == 8:
            name = protobuf.text(value)
        elif number == 9:
            constant.raw = protobuf.message(value)
        elif number == 14:
            external = protobuf.signed(value) == 1
    if external:
        raise InputError(f"its tensor {quoted(name)} is in another file: save the model as one file")
    if len(shape) > 8 or any(not 0 <= size < 1 << 48 for size in shape):
        raise InputError(f"its tensor {quoted(name)} has a shape that no tensor has")
    constant.shape = tuple(shape)
    return name, constant

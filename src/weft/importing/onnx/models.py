"""Language models of ONNX: Gather from an embedding, nodes RNN, LSTM or GRU, and MatMul and Add, or Gemm.

The graph is followed from its result back to the embedding. Operations that only change the layout of an array are
passed; any other on the way is refused by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from weft.errors import InputError, quoted
from weft.importing.budget import Budget
from weft.importing.foreign_model import ONNX, Floats, ForeignModel, converted
from weft.importing.onnx.graph import Graph, Node, read_graph

LAYOUT = {"Identity", "Transpose", "Squeeze", "Unsqueeze", "Reshape", "Flatten", "Dropout", "Cast", "Slice"}
"""Operations that change no number of their first input."""
RECURRENT = {"RNN", "LSTM", "GRU"}
DEEPEST = 1000


def onnx_model(data: memoryview, budget: Budget) -> ForeignModel:
    """The language model in an ONNX file. Raises InputError for a damaged file and any other model."""
    return _Reader(read_graph(data, budget), budget).model()


@dataclass
class _Reader:
    graph: Graph
    budget: Budget

    def __post_init__(self) -> None:
        self.makers = {name: node for node in self.graph.nodes for name in node.outputs}

    def model(self) -> ForeignModel:
        recurrent = [node for node in self.graph.nodes if node.kind in RECURRENT]
        if not recurrent:
            raise InputError("its graph has no node RNN, LSTM or GRU")
        W, b, below = self._output()
        layers: list[Node] = []
        while below.kind in RECURRENT:
            layers.insert(0, below)
            below = self._below(below.input(0))
            if len(layers) > DEEPEST:
                raise InputError("its graph has a circle")
        if below.kind != "Gather":
            raise InputError(f"its lowest recurrent layer reads from {below}, expected Gather from an embedding")
        if len(layers) != len(recurrent):
            raise InputError(
                f"{len(layers)} of its {len(recurrent)} recurrent nodes are one above the other; expected all"
            )
        E = self._constant(below.input(0), "the embedding")
        if E.ndim != 2 or below.attributes.get("axis", 0) != 0:
            raise InputError(f"{below} does not take rows of an embedding (V, D)")
        made = [self._layer(node) for node in layers]
        if len({cell for cell, _parameters in made}) != 1:
            raise InputError("its recurrent layers are of several kinds; in weft all are of one")
        return ForeignModel("an ONNX model", made[0][0], E, [parameters for _cell, parameters in made], W, b)

    def _output(self) -> tuple[Floats, Floats, Node]:
        """W (H, V) and b (V,) of the output layer, and the node below it."""
        node = self._first_output()
        bias: Floats | None = None
        if node.kind == "Add":
            names = sorted(node.inputs, key=lambda name: name in self.graph.constants)  # the constant is the last
            bias = self._constant(names[-1] if names else "", "the bias of the output layer")
            node = self._below(names[0] if names else "")
        if node.kind not in ("MatMul", "Gemm"):
            raise InputError(f"its result is that of {node}, expected MatMul and Add, or Gemm")
        W = self._constant(node.input(1), "the weights of the output layer")
        if node.kind == "Gemm":
            if node.attributes.get("alpha", 1.0) != 1 or node.attributes.get("beta", 1.0) != 1:
                raise InputError(f"{node} has factors, which the output layer of weft does not have")
            W = W.T if node.attributes.get("transB") else W
            bias = self._constant(node.input(2), "the bias of the output layer") if node.input(2) else bias
        if W.ndim != 2:
            raise InputError(f"the weights of {node} have the shape {W.shape}, expected (H, V)")
        b = np.zeros(W.shape[1], np.float32) if bias is None else bias.reshape(-1)
        return W, b, self._below(node.input(0))

    def _first_output(self) -> Node:
        """The node that makes the scores: that of the first result, before a softmax."""
        if not self.graph.outputs:
            raise InputError("its graph has no result")
        node = self._below(self.graph.outputs[0])
        return self._below(node.input(0)) if node.kind in ("Softmax", "LogSoftmax") else node

    def _below(self, name: str) -> Node:
        """The node that makes the numbers called `name`, below operations that change only their layout."""
        for _ in range(DEEPEST):
            node = self.makers.get(name)
            if node is None:
                raise InputError(f"{quoted(name)} in its graph is not made by any node, expected a recurrent layer")
            # a part of an array, not an embedding
            selects = node.kind == "Gather" and node.input(0) in self.makers.keys() - self.graph.constants.keys()
            if node.kind not in LAYOUT and not selects:
                return node
            name = node.input(0)
        raise InputError("its graph has a circle")

    def _constant(self, name: str, what: str) -> Floats:
        """A constant tensor, transposed if the graph says so."""
        transposed = False
        for _ in range(DEEPEST):
            if name in self.graph.constants:
                array = self.graph.constants[name].array(self.budget)
                return array.T if transposed else array
            node = self.makers.get(name)
            if node is None or node.kind not in ("Identity", "Transpose", "Cast"):
                break
            if node.kind == "Transpose":
                if node.attributes.get("perm", [1, 0]) != [1, 0]:
                    break
                transposed = not transposed
            name = node.input(0)
        raise InputError(f"{what} is not a tensor of the file, but {quoted(name)}")

    def _layer(self, node: Node) -> tuple[str, dict[str, Floats]]:
        """The cell of a recurrent node, and its parameters by their names in weft."""
        kind = self._kind(node)
        # (1, G·H, D), (1, G·H, H) and (1, 2·G·H): the first axis is that of directions
        W, R = (self._constant(node.input(index), f"the matrix {index} of {node}") for index in (1, 2))
        biases: list[Floats] = []
        if node.input(3):
            both = self._constant(node.input(3), f"the biases of {node}").reshape(-1)
            biases = list(np.split(both, 2)) if len(both) % 2 == 0 else [both]
        if W.ndim != 3 or R.ndim != 3 or len(W) != 1 or len(R) != 1:
            raise InputError(f"the matrices of {node} have the shapes {W.shape} and {R.shape}, expected one direction")
        return ONNX[kind].cell, dict(converted(ONNX[kind], W[0], R[0], biases))

    def _kind(self, node: Node) -> str:
        """The key of `node` in ONNX. Raises InputError for what no cell of weft has."""
        attributes = node.attributes
        if attributes.get("direction", "forward") != "forward":
            raise InputError(
                f"{node} is {quoted(attributes['direction'])}: such a model does not predict the next word"
            )
        usual = {"RNN": ["Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"]}[node.kind]
        activations: Any = attributes.get("activations", usual)
        kind = node.kind
        if kind == "RNN" and activations in (["Tanh"], ["Relu"]):
            kind = f"RNN {activations[0]}"
        elif activations != usual:
            raise InputError(f"{node} has the activations {quoted(activations)}, expected {', '.join(usual)}")
        if kind == "GRU":
            kind = "GRU after" if attributes.get("linear_before_reset") else "GRU before"
        for name in ("clip", "input_forget", "activation_alpha", "activation_beta"):
            if attributes.get(name):
                raise InputError(f"{node} has {name}, which no cell of weft has")
        if node.input(7):
            raise InputError(f"{node} has peepholes, which no cell of weft has")
        for index in (5, 6):
            first = self.graph.constants.get(node.input(index))
            if first is not None and self._constant(node.input(index), "a first state").any():
                raise InputError(f"{node} has a first state that is not zero, which no cell of weft has")
        return kind

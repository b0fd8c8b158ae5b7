"""A language model of another program: its parameters in weft's layout, and the conversions into it.

PyTorch and ONNX keep a matrix (G·H, D) for x W_xᵀ, two biases that are added, and the gates in an order of their own.
Their z of a GRU is the fraction of the state that is kept, here the one that is replaced: 1 - σ(a) = σ(-a).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.errors import InputError
from weft.text.tokenizers.base import Tokenizer

Floats = NDArray[np.float32]


@dataclass
class ForeignModel:
    """Embedding (V, D), recurrent layers, output layer W (H, V) and b (V,).

    about     what it is, for messages
    cell      the name of the cell of all layers
    layers    for each layer its parameters by their names in weft
    settings  further settings of weft.config: dropouts
    tokenizer of a model that has one, with weft's order of ids

    Raises InputError for sizes that do not fit together, or that no model of weft has.
    """

    about: str
    cell: str
    embedding: Floats
    layers: list[dict[str, Floats]]
    W: Floats
    b: Floats
    settings: dict[str, Any] = field(default_factory=dict)
    tokenizer: Tokenizer | None = None

    def __post_init__(self) -> None:
        V, size = self.embedding.shape
        for number, layer in enumerate(self.layers):
            D, H = layer["Wx"].shape[0], layer["Wh"].shape[0]
            if size != D:
                raise InputError(f"its layer {number + 1} reads {D} numbers, and what is below it has {size}")
            size = H
        if self.W.shape != (size, V) or self.b.shape != (V,):
            raise InputError(
                f"its output layer has the shapes {self.W.shape} and {self.b.shape}, expected ({size}, {V}) and ({V},)"
            )
        expected = [self.hidden_size] * (len(self.layers) - 1) + [size if self.tied else self.hidden_size]
        if self.layer_sizes != expected:
            raise InputError(
                f"its layers have the sizes {', '.join(map(str, self.layer_sizes))}; in weft all have one size, but "
                "for the last of a model whose output weights are the embedding"
            )
        arrays = [self.embedding, self.W, self.b, *(values for layer in self.layers for values in layer.values())]
        if not all(np.isfinite(values).all() for values in arrays):
            raise InputError("its parameters hold values that are not finite numbers of float32")

    @property
    def layer_sizes(self) -> list[int]:
        """The sizes of the layers' hidden states."""
        return [layer["Wh"].shape[0] for layer in self.layers]

    @property
    def hidden_size(self) -> int:
        """H of all layers but the last of a tied model."""
        return self.layer_sizes[0]

    def parameters(self, order: Sequence[int] | None = None) -> dict[str, Floats]:
        """The parameters by their names in weft; order: the ids in another order, in which the tokens become 0, 1, …"""
        tokens = slice(None) if order is None else np.asarray(order)
        named = {"embedding.W": self.embedding[tokens]}
        for number, layer in enumerate(self.layers):
            named |= {f"recurrent.{number}.{name}": np.ascontiguousarray(array) for name, array in layer.items()}
        if not self.tied:
            named["output.W"] = np.ascontiguousarray(self.W[:, tokens])
        return named | {"output.b": self.b[tokens]}

    @property
    def tied(self) -> bool:
        """Whether the output weights are the embedding, transposed."""
        return self.W.shape[::-1] == self.embedding.shape and bool((self.embedding == self.W.T).all())


@dataclass(frozen=True)
class Gates:
    """How another program lays out the gates of a cell.

    cell        the cell in weft
    blocks      the gates in weft's order, as their positions in the other order
    complement  the position, in weft's order, of the gate that is one minus the other program's
    candidate   the position, in weft's order, of the gate with a bias of its own, b_h
    """

    cell: str
    blocks: tuple[int, ...]
    complement: int | None = None
    candidate: int | None = None


TORCH = {
    "LSTM": Gates("lstm", (1, 2, 0, 3)),  # i f g o -> f g i o
    "GRU": Gates("gru-after", (1, 0, 2), complement=0, candidate=2),  # r z n -> z r h̃
    "RNN_TANH": Gates("rnn", (0,)),
    "RNN_RELU": Gates("rnn-relu", (0,)),
}
ONNX = {
    "LSTM": Gates("lstm", (2, 3, 0, 1)),  # i o f c -> f g i o
    "GRU before": Gates("gru", (0, 1, 2), complement=0),  # z r h -> z r h̃
    "GRU after": Gates("gru-after", (0, 1, 2), complement=0, candidate=2),
    "RNN Tanh": Gates("rnn", (0,)),
    "RNN Relu": Gates("rnn-relu", (0,)),
}


def converted(gates: Gates, input: Floats, recurrent: Floats, biases: Sequence[Floats]) -> Mapping[str, Floats]:
    """Wx (D, G·H), Wh (H, G·H), b (G·H,), and b_h (H,) where the cell has it, of one layer.

    input (G·H, D), recurrent (G·H, H), biases: those of the two products, each (G·H,), or none. Raises InputError for
    other shapes.
    """
    G, H = len(gates.blocks), recurrent.shape[-1] if recurrent.ndim == 2 else -1
    shapes = [input.shape[:1], recurrent.shape[:1], *(bias.shape for bias in biases)]
    if input.ndim != 2 or recurrent.ndim != 2 or len(biases) not in (0, 2) or set(shapes) != {(G * H,)}:
        raise InputError(
            f"the matrices of a layer ({gates.cell}) have the shapes {input.shape} and {recurrent.shape}, expected "
            "(G·H, D) and (G·H, H), with two biases (G·H,) or none"
        )

    def in_order(values: Floats) -> Floats:
        blocks = np.split(values, G)
        return np.concatenate(
            [-blocks[block] if place == gates.complement else blocks[block] for place, block in enumerate(gates.blocks)]
        )

    b_x, b_h = map(in_order, biases or (np.zeros(G * H, np.float32),) * 2)
    layer = {"Wx": in_order(input).T, "Wh": in_order(recurrent).T, "b": b_x + b_h}
    if gates.candidate is not None:
        own = slice(gates.candidate * H, (gates.candidate + 1) * H)
        layer["b"][own], layer["b_h"] = b_x[own], b_h[own]
    return layer

"""Recurrent layers as ONNX nodes: xs (T, N, D) and the states before -> hs (T, N, H) and the states after.

    rnn, lstm, gru …   ONNX's own operators, whose gates are in another order; its z is the complement of ours
    layer norm         the equations of the cell, in a `Scan` over time
    window             a convolution over the inputs

A state is an input h0 (1, N, H) of the graph, with the result h0_next; 0 is the number of the layer. The LSTM also has
c0, and the window has past0 (1, N, (n-1)·D) only, the inputs before the first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from weft.exporting.network import Floats, Layer, Network
from weft.exporting.onnx_builder import GraphBuilder, graph_of, value

EPSILON = 1e-5
LSTM_ORDER = [2, 3, 0, 1]
"""Indices of ONNX's gates i, o, f, c in weft's order f, g, i, o."""
OPERATORS: dict[str, tuple[str, dict[str, Any]]] = {
    "rnn": ("RNN", {}),
    "rnn-relu": ("RNN", {"activations": ["Relu"]}),
    "lstm": ("LSTM", {}),
    "gru": ("GRU", {}),
    "gru-after": ("GRU", {"linear_before_reset": 1}),
}
"""ONNX's operator of each cell, and its attributes."""
LONG_MAX = np.iinfo(np.int64).max


class RecurrentLayer:
    """The nodes of one layer: `states` are its inputs by name, with their widths."""

    def __init__(self, builder: GraphBuilder, network: Network, number: int) -> None:
        self.builder, self.network, self.number = builder, network, number
        self.layer: Layer = network.layers[number]
        self.states = self._states()

    def add(self, xs: str, is_step: bool) -> str:
        """The name of hs (T, N, H) for that of xs (T, N, D); is_step: T is 1."""
        if self.network.cell == "window":
            hs = self._window(xs)
        elif self.network.layer_norm:
            hs = self._normalized(xs, is_step)
        else:
            hs = self._operator(xs)
        return self.builder.one("Add", hs, xs) if self.layer.residual else hs

    def _states(self) -> dict[str, int]:
        if self.network.cell == "window":
            past = self.layer.arrays["Wh"].shape[0]
            return {f"past{self.number}": past} if past else {}
        parts = ("h", "c") if self.network.cell == "lstm" else ("h",)
        return {f"{part}{self.number}": self.layer.H for part in parts}

    def _weight(self, name: str, values: Any) -> str:
        return self.builder.weight(f"{name}{self.number}", values)

    def _operator(self, xs: str) -> str:
        kind, arrays = self.network.cell, self.layer.arrays
        Wx, Wh, b = (by_onnx_gates(arrays[name], kind) for name in ("Wx", "Wh", "b"))
        b_h = np.zeros_like(b)
        if kind == "gru-after":
            b_h[-self.layer.H :] = arrays["b_h"]
        weights = [self._weight("W", Wx.T[None]), self._weight("R", Wh.T[None])]
        weights.append(self._weight("B", np.concatenate((b, b_h))[None]))
        states, ys = list(self.states), f"ys{self.number}"
        inputs, outputs = [xs, *weights, "", *states], [ys, *(f"{name}_next" for name in states)]
        op, settings = OPERATORS[kind]
        self.builder.several(op, inputs, outputs, hidden_size=self.layer.H, **settings)
        return self.builder.squeeze(ys, 1)

    def _window(self, xs: str) -> str:
        builder, n, D = self.builder, self.network.window, self.layer.D
        arrays = self.layer.arrays
        kernel = np.concatenate((arrays["Wh"], arrays["Wx"])).reshape(n, D, self.layer.H).transpose(2, 1, 0)
        inputs = builder.one("Transpose", xs, perm=[1, 0, 2])  # (N, T, D)
        if n > 1:
            past, after = f"past{self.number}", f"past{self.number}_next"
            before = builder.one("Reshape", past, self._weight("past_shape", np.array([-1, n - 1, D])))
            inputs = builder.one("Concat", before, inputs, axis=1)
            bounds = [self._weight("from", np.array([1 - n])), builder.weight("to_end", np.array([LONG_MAX]))]
            last = builder.one("Slice", inputs, *bounds, builder.weight("at_1", np.array([1])))
            builder.one("Reshape", last, self._weight("past_next_shape", np.array([1, -1, (n - 1) * D])), to=after)
        channels = builder.one("Transpose", inputs, perm=[0, 2, 1])  # (N, D, n - 1 + T)
        a = builder.one("Conv", channels, self._weight("kernel", kernel), self._weight("b", arrays["b"]))
        return builder.one("Transpose", builder.one("Tanh", a), perm=[2, 0, 1])

    def _normalized(self, xs: str, is_step: bool) -> str:
        """The equations of `weft.layers.layer_norm_cell` and its subclasses."""
        builder, H = self.builder, self.layer.H
        weights = {name: self._weight(name, array) for name, array in self._weights_of_normalized().items()}
        u, groups = builder.one("MatMul", xs, weights["Wx"]), GROUPS[self.network.cell]
        a = [
            builder.one("LayerNormalization", part, weights[f"gain_x_{k}"], weights[f"b_{k}"], axis=-1, epsilon=EPSILON)
            for k, part in enumerate(_split(builder, u, [gates * H for gates in groups]))
        ]
        a_t = a[0] if len(a) == 1 else builder.one("Concat", *a, axis=-1)
        before = [builder.squeeze(name, 0) for name in self.states]
        step = STEPS[self.network.cell]
        if is_step:
            after = step(builder, weights, H, builder.squeeze(a_t, 0), before)
            hs = builder.unsqueeze(after[0], 0)
        else:
            parts = [f"{name}_after" for name in self.states]
            hs = f"hs{self.number}"
            body = self._body(step, weights)
            builder.several("Scan", [*before, a_t], [*parts, hs], body=body, num_scan_inputs=1)
            after = parts
        for name, part in zip(self.states, after, strict=True):
            builder.unsqueeze(part, 0, to=f"{name}_next")
        return hs

    def _body(self, step: Step, weights: Mapping[str, str]) -> Any:
        """The graph of one step of the `Scan`; it uses the weights of the graph around it."""
        body, H, columns = GraphBuilder(f"step{self.number}_"), self.layer.H, self.layer.arrays["b"].shape[0]
        before = [f"step{self.number}_{name}" for name in self.states]
        a_t = f"step{self.number}_a"
        after = step(body, weights, H, a_t, before)
        inputs = [*(value(name, ["batch", H]) for name in before), value(a_t, ["batch", columns])]
        hs = body.one("Identity", after[0])
        return graph_of(body, f"step{self.number}", inputs, [value(name, ["batch", H]) for name in [*after, hs]])

    def _weights_of_normalized(self) -> dict[str, Floats]:
        """Weights by name; those of a group k of gates that are normalised together have names that end in _k."""
        arrays, H, weights, first = self.layer.arrays, self.layer.H, {}, 0
        weights["Wx"] = arrays["Wx"]
        for k, gates in enumerate(GROUPS[self.network.cell]):
            of_group = slice(first * H, (first + gates) * H)
            weights[f"Wh_{k}"] = arrays["Wh"][:, of_group]
            weights |= {f"{name}_{k}": arrays[name][of_group] for name in ("gain_x", "gain_h", "b")}
            first += gates
        return weights | {name: arrays[name] for name in ("gain_c", "bias_c") if name in arrays}


Step = Callable[[GraphBuilder, Mapping[str, str], int, str, Sequence[str]], list[str]]
"""The nodes of one step: weights by name, H, a_t (N, G·H), the states before (N, H) -> the states after."""


def _rnn(builder: GraphBuilder, weights: Mapping[str, str], H: int, a: str, states: Sequence[str]) -> list[str]:
    (h,) = states
    return [builder.one("Tanh", builder.one("Add", _recurrent(builder, weights, 0, h), a))]


def _lstm(builder: GraphBuilder, weights: Mapping[str, str], H: int, a: str, states: Sequence[str]) -> list[str]:
    h, c = states
    gates = builder.one("Add", _recurrent(builder, weights, 0, h), a)
    f, g, i, o = _split(builder, gates, [H] * 4)
    kept = builder.one("Mul", builder.one("Sigmoid", f), c)
    added = builder.one("Mul", builder.one("Tanh", g), builder.one("Sigmoid", i))
    c = builder.one("Add", kept, added)
    m = builder.one("LayerNormalization", c, weights["gain_c"], weights["bias_c"], axis=-1, epsilon=EPSILON)
    return [builder.one("Mul", builder.one("Sigmoid", o), builder.one("Tanh", m)), c]


def _gru(builder: GraphBuilder, weights: Mapping[str, str], H: int, a: str, states: Sequence[str]) -> list[str]:
    (h,) = states
    a_zr, a_candidate = _split(builder, a, [2 * H, H])
    zr = builder.one("Sigmoid", builder.one("Add", _recurrent(builder, weights, 0, h), a_zr))
    z, r = _split(builder, zr, [H, H])
    v = _recurrent(builder, weights, 1, builder.one("Mul", r, h))
    candidate = builder.one("Tanh", builder.one("Add", v, a_candidate))
    change = builder.one("Mul", z, builder.one("Sub", candidate, h))
    return [builder.one("Add", h, change)]


GROUPS = {"rnn": (1,), "lstm": (4,), "gru": (2, 1)}
"""Numbers of consecutive gates that are normalised together."""
STEPS: dict[str, Step] = {"rnn": _rnn, "lstm": _lstm, "gru": _gru}


def _recurrent(builder: GraphBuilder, weights: Mapping[str, str], k: int, h: str) -> str:
    """gain_h * LN(h W_h) of group k."""
    product = builder.one("MatMul", h, weights[f"Wh_{k}"])
    return builder.one("LayerNormalization", product, weights[f"gain_h_{k}"], axis=-1, epsilon=EPSILON)


def _split(builder: GraphBuilder, x: str, sizes: Sequence[int]) -> list[str]:
    """Consecutive columns of x."""
    return [x] if len(sizes) == 1 else builder.split(x, sizes)


def by_onnx_gates(array: Floats, cell: str) -> Floats:
    """W_x, W_h or b with the gates of the last axis as ONNX's operator has them."""
    if cell.startswith("rnn"):
        return array
    blocks = np.split(array, 4 if cell == "lstm" else 3, axis=-1)
    if cell.startswith("gru"):
        return np.concatenate((-blocks[0], *blocks[1:]), axis=-1)  # 1 - σ(a) = σ(-a)
    return np.concatenate([blocks[index] for index in LSTM_ORDER], axis=-1)

"""One time step of the language model as an ONNX graph, run by ONNX Runtime in float32 or with int8 weights."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from benchmarks.torch_model import gates_in_order
from weft.model import RNNLM

GATE_ORDER = [2, 3, 0, 1]
"""Indices of ONNX's gates i, o, f, c in weft's order f, g, i, o."""
OPSET, IR_VERSION = 17, 10
"""Old versions, which every current release of ONNX Runtime reads."""


def session(model: RNNLM) -> Any:
    """An ONNX Runtime session for the graph of `model`, in float32."""
    return onnxruntime.InferenceSession(step_graph(model).SerializeToString(), providers=["CPUExecutionProvider"])


def int8_session(model: RNNLM) -> Any:
    """An ONNX Runtime session with int8 weights, by dynamic quantization."""
    from onnxruntime.quantization import quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        logging.disable(logging.WARNING)  # it recommends preprocessing, which does not change this graph
        try:
            quantize_dynamic(step_graph(model), path)
        finally:
            logging.disable(logging.NOTSET)
        return onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])


def step_graph(model: RNNLM) -> Any:
    """A graph from ids (1, N) and states h0, c0, h1, … (1, N, H) to scores (N, V) and new states h0_next, …"""
    H, V = model.output.params[0].shape
    weights = {"embedding": model.embedding.params[0], "output.W": model.output.params[0]}
    weights |= {"output.b": model.output.params[1], "axis_1": np.array([1]), "axis_0": np.array([0])}
    nodes = [helper.make_node("Gather", ["embedding", "ids"], ["x0"])]
    states = []
    for number, layer in enumerate(model.recurrent):
        Wx, Wh, b = (gates_in_order(np.asarray(array), GATE_ORDER) for array in layer.params)
        W, R, B = (f"{name}{number}" for name in "WRB")
        weights |= {W: Wx.T[None], R: Wh.T[None], B: np.concatenate((b, np.zeros_like(b)))[None]}
        h, c, y = f"h{number}", f"c{number}", f"y{number}"
        inputs, outputs = [f"x{number}", W, R, B, "", h, c], [y, f"{h}_next", f"{c}_next"]
        nodes.append(helper.make_node("LSTM", inputs, outputs, hidden_size=H))
        nodes.append(helper.make_node("Squeeze", [y, "axis_1"], [f"x{number + 1}"]))
        states += [h, c]
    nodes.append(helper.make_node("Squeeze", [f"x{len(model.recurrent)}", "axis_0"], ["hidden"]))
    nodes.append(helper.make_node("MatMul", ["hidden", "output.W"], ["products"]))
    nodes.append(helper.make_node("Add", ["products", "output.b"], ["scores"]))

    def state_info(names: list[str]) -> list[Any]:
        return [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, "N", H]) for name in names]

    graph = helper.make_graph(
        nodes,
        "step",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, [1, "N"]), *state_info(states)],
        [
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", V]),
            *state_info([f"{name}_next" for name in states]),
        ],
        [numpy_helper.from_array(np.ascontiguousarray(values), name) for name, values in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)

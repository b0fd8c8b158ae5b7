"""One time step of a model in ONNX Runtime, in float32 or with int8 weights: the graph of `weft export onnx`."""

from __future__ import annotations

from typing import Any

import onnxruntime

from weft.exporting.network import network_of
from weft.exporting.onnx_file import quantized
from weft.exporting.onnx_model import onnx_model
from weft.model import RNNLM


def session(model: RNNLM) -> Any:
    """An ONNX Runtime session for the step of `model`, in float32."""
    return _session(onnx_model(network_of(model), "step").SerializeToString())


def int8_session(model: RNNLM) -> Any:
    """An ONNX Runtime session for the step of `model` with int8 weights, by dynamic quantization at its fastest."""
    graph = onnx_model(network_of(model), "step", whole_weights=True)
    return _session(quantized(graph, per_channel=False, reduce_range=False))


def _session(data: bytes) -> Any:
    return onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])

"""A language model as an ONNX graph: the next token's scores, and the state as inputs and outputs.

    block    ids (N, T), h0 (1, N, H), … -> scores (N, T, V), h0_next (1, N, H), …
    step     ids (N,), h0 (1, N, H), …   -> scores (N, V), h0_next (1, N, H), …

N and T may be any number in every run. P(next token = v) is the softmax of the scores; an adaptive output layer has
log-probabilities, which are their own scores. The states are described in `weft.exporting.onnx_layers`; before the
first token, which is `<eos>`, they are zeros.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weft.errors import InputError, nearest
from weft.exporting.network import AdaptiveOutput, FullOutput, Network
from weft.exporting.onnx_builder import IR_VERSION, OPSET, GraphBuilder, graph_of, value
from weft.exporting.onnx_layers import RecurrentLayer

FORMS = ("block", "step")
LARGEST = 2**31 - 2**20
"""About how many bytes of weights a file of ONNX can have."""


def onnx_model(
    network: Network,
    form: str = "block",
    *,
    log_probabilities: bool = False,
    whole_weights: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> Any:
    """The `onnx.ModelProto` of a network.

    form: "block" or "step". log_probabilities: give ln P, under this name, in place of the scores. whole_weights: write
    a tied matrix a second time, transposed, as quantization needs it. Raises InputError for an unknown form, and for
    weights that are too large for a file of ONNX.
    """
    from onnx import helper

    if form not in FORMS:
        raise InputError(f"form must be one of {', '.join(FORMS)}, got {form!r}{nearest(form, FORMS)}")
    builder, is_step = GraphBuilder(), form == "step"
    embedding = builder.weight("embedding", network.embedding)
    ids = builder.unsqueeze("ids", 0) if is_step else builder.one("Transpose", "ids", perm=[1, 0])
    ys = builder.one("Gather", embedding, ids)
    states: dict[str, int] = {}
    for number in range(len(network.layers)):
        layer = RecurrentLayer(builder, network, number)
        states |= layer.states
        ys = layer.add(ys, is_step)
    hs = builder.squeeze(ys, 0) if is_step else builder.one("Transpose", ys, perm=[1, 0, 2])
    name = _output(builder, network, hs, log_probabilities, whole_weights)
    size = sum(array.nbytes for array in builder.weights.values())
    if size > LARGEST:
        raise InputError(f"the weights have {size / 1e9:.1f} GB, but a file of ONNX has 2 GB at most")
    batch: list[int | str] = ["batch"] if is_step else ["batch", "time"]
    graph = graph_of(
        builder,
        form,
        [value("ids", batch, True), *(value(state, [1, "batch", width]) for state, width in states.items())],
        [
            value(name, [*batch, network.V]),
            *(value(f"{state}_next", [1, "batch", width]) for state, width in states.items()),
        ],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="weft"
    )
    helper.set_model_props(model, dict(metadata or {}))
    return model


def _output(builder: GraphBuilder, network: Network, hs: str, log_probabilities: bool, whole_weights: bool) -> str:
    """The nodes of the output layer; the name of its result."""
    output = network.output
    if isinstance(output, AdaptiveOutput):
        return _adaptive(builder, output, hs)
    scores = builder.affine(
        hs, _full_weight(builder, network, output, whole_weights), builder.weight("output.b", output.b), to="scores"
    )
    return builder.one("LogSoftmax", scores, to="log_probabilities", axis=-1) if log_probabilities else scores


def _full_weight(builder: GraphBuilder, network: Network, output: FullOutput, whole_weights: bool) -> str:
    if network.tied and not whole_weights:
        return builder.one("Transpose", "embedding", perm=[1, 0])  # once, when a session is made
    return builder.weight("output.W", output.W)


def _adaptive(builder: GraphBuilder, output: AdaptiveOutput, hs: str) -> str:
    def logs(x: str, name: str, W: Any, b: Any) -> str:
        scores = builder.affine(x, builder.weight(f"{name}.W", W), builder.weight(f"{name}.b", b))
        return builder.one("LogSoftmax", scores, axis=-1)

    clusters = output.clusters
    head = logs(hs, "head", output.W, output.b)
    shortlist, *of_clusters = builder.split(head, [output.W.shape[1] - len(clusters), *[1] * len(clusters)])
    parts = [shortlist]
    for number, (of_cluster, (P, W, b)) in enumerate(zip(of_clusters, clusters, strict=True)):
        projected = builder.one("MatMul", hs, builder.weight(f"cluster{number}.P", P))
        parts.append(builder.one("Add", logs(projected, f"cluster{number}", W, b), of_cluster))
    by_rank = builder.one("Concat", *parts, axis=-1)
    return builder.one("Gather", by_rank, builder.weight("ranks", output.ranks), axis=-1, to="log_probabilities")

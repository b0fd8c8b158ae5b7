"""Models of ONNX have, after their import, the numbers that ONNX Runtime gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from helpers.foreign_models import HIDDEN, LAYERS, SIZE, RNNModel, perplexity_of, randomized, text_of, vocabulary_of
from weft.errors import InputError
from weft.importing import import_model
from weft.language_model import LanguageModel

TEXT = text_of()
VOCABULARY = vocabulary_of(TEXT)
V = len(VOCABULARY)
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}

Attributes = dict[str, Any]


def recurrent_model(
    kind: str, layers: int = LAYERS, gemm: bool = False, after: str = "Identity", **attributes: Any
) -> onnx.ModelProto:
    """ids (T, 1) -> embedding -> recurrent layers -> MatMul and Add, or Gemm on rows -> logits."""
    draw = np.random.default_rng(0)
    constants: dict[str, Any] = {"E": draw.normal(size=(V, SIZE)), "W": draw.normal(size=(HIDDEN, V)) / 2}
    constants |= {"b": draw.normal(size=V), "axes": np.array([1]), "rows": np.array([-1, HIDDEN])}
    nodes = [helper.make_node("Gather", ["E", "ids"], ["x0"])]
    for n in range(layers):
        D, G = (HIDDEN if n else SIZE), GATES[kind]
        constants[f"W{n}"] = draw.normal(size=(1, G * HIDDEN, D)) / 2
        constants[f"R{n}"] = draw.normal(size=(1, G * HIDDEN, HIDDEN)) / 2
        constants[f"B{n}"] = draw.normal(size=(1, 2 * G * HIDDEN))
        inputs = [f"x{n}", f"W{n}", f"R{n}", f"B{n}"]
        nodes.append(helper.make_node(kind, inputs, [f"y{n}"], hidden_size=HIDDEN, **attributes))
        nodes.append(helper.make_node("Squeeze", [f"y{n}", "axes"], [f"x{n + 1}"]))  # (T, directions, N, H)
    nodes.append(helper.make_node(after, [f"x{layers}"], ["h"]))
    nodes.append(helper.make_node("Reshape", ["h", "rows"], ["flat"]))
    if gemm:
        constants["W"] = constants["W"].T.copy()
        nodes.append(helper.make_node("Gemm", ["flat", "W", "b"], ["logits"], transB=1))
    else:
        nodes.append(helper.make_node("MatMul", ["flat", "W"], ["product"]))
        nodes.append(helper.make_node("Add", ["b", "product"], ["logits"]))
    graph = helper.make_graph(
        nodes,
        "language model",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["T", 1])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(values.astype(values.dtype if values.dtype.kind == "i" else "f"), name)
            for name, values in constants.items()
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def imported(tmp_path: Path, model: onnx.ModelProto) -> LanguageModel:
    onnx.save(model, tmp_path / "model.onnx")
    (tmp_path / "vocab.txt").write_text("".join(f"{word}\n" for word in VOCABULARY), "utf-8")
    return import_model(tmp_path / "model.onnx", tmp_path / "run")


def perplexity(model: onnx.ModelProto) -> float:
    """That of TEXT by ONNX Runtime."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    words = [word for line in TEXT.splitlines() for word in [*line.split(), "<eos>"]]
    ids = np.array([VOCABULARY.index(word) for word in ["<eos>", *words]])
    (logits,) = session.run(["logits"], {"ids": ids[:-1, None]})
    logits = logits.astype("d")
    nats = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(logits)), ids[1:]]
    return float(np.exp(nats.mean()))


MODELS: dict[str, tuple[str, Attributes, str]] = {
    "LSTM": ("LSTM", {}, "lstm"),
    "GRU before": ("GRU", {"linear_before_reset": 0}, "gru"),
    "GRU after": ("GRU", {"linear_before_reset": 1}, "gru-after"),
    "RNN": ("RNN", {}, "rnn"),
    "RNN of ReLU": ("RNN", {"activations": ["Relu"]}, "rnn-relu"),
}


@pytest.mark.parametrize("gemm", [False, True], ids=["MatMul", "Gemm"])
@pytest.mark.parametrize("name", MODELS)
def test_a_model_has_its_perplexity(tmp_path: Path, name: str, gemm: bool) -> None:
    kind, attributes, cell = MODELS[name]
    model = recurrent_model(kind, gemm=gemm, **attributes)
    lm = imported(tmp_path, model)
    assert lm.config.model.cell == cell
    assert lm.evaluate([TEXT]).perplexity == pytest.approx(perplexity(model), rel=1e-5)


REFUSED: dict[str, tuple[onnx.ModelProto, str]] = {
    "reverse": (recurrent_model("LSTM", direction="reverse"), "is 'reverse'"),
    "bidirectional": (recurrent_model("LSTM", direction="bidirectional"), "is 'bidirectional'"),
    "activations": (recurrent_model("RNN", activations=["Sigmoid"]), "has the activations"),
    "clip": (recurrent_model("GRU", clip=3.0), "has clip"),
    "another operation": (recurrent_model("LSTM", after="Tanh"), "Tanh 'h'"),
    "no layers": (recurrent_model("LSTM", layers=0), "no node RNN, LSTM or GRU"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_weft_does_not_have_is_refused_by_name(tmp_path: Path, name: str) -> None:
    model, message = REFUSED[name]
    with pytest.raises(InputError, match=message):
        imported(tmp_path, model)


@pytest.mark.parametrize("value", [0.0, 0.5])
def test_a_first_state_must_be_zero(tmp_path: Path, value: float) -> None:
    model = recurrent_model("RNN", layers=1)
    (node,) = [each for each in model.graph.node if each.op_type == "RNN"]
    node.input.extend(["", "h0"])
    model.graph.initializer.append(numpy_helper.from_array(np.full((1, 1, HIDDEN), value, "f"), "h0"))
    if value:
        with pytest.raises(InputError, match="a first state that is not zero"):
            imported(tmp_path, model)
    else:
        assert imported(tmp_path, model).config.model.cell == "rnn"


def test_tensors_in_other_files_are_refused(tmp_path: Path) -> None:
    onnx.save_model(
        recurrent_model("LSTM"), tmp_path / "model.onnx", save_as_external_data=True, location="data", size_threshold=0
    )
    with pytest.raises(InputError, match="is in another file"):
        import_model(tmp_path / "model.onnx", tmp_path / "run")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN_RELU"])
def test_an_export_of_pytorch_has_the_perplexity_of_the_model(tmp_path: Path, kind: str) -> None:
    torch = pytest.importorskip("torch")
    model = randomized(RNNModel(kind, V, SIZE, HIDDEN, LAYERS, 0.0))
    file = tmp_path / "model.onnx"
    torch.onnx.export(model, (torch.zeros(9, dtype=torch.int64),), str(file), dynamo=False, opset_version=17)
    lm = imported(tmp_path, onnx.load(file))
    assert lm.evaluate([TEXT]).perplexity == pytest.approx(perplexity_of(model, TEXT, VOCABULARY), rel=1e-5)

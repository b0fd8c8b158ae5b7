"""A graph of ONNX: the numbers of weft in ONNX Runtime, in blocks and step by step, and what the file says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from helpers.exported_models import CELLS, OUTPUTS, exported_model, named
from weft.errors import InputError
from weft.exporting import export_onnx, onnx_model
from weft.language_model import LanguageModel

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

TOLERANCE = 1e-5


class Session:
    """A file in ONNX Runtime, with the state carried from call to call."""

    def __init__(self, file: Path, streams: int) -> None:
        self.session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        names = self.session.get_inputs()[1:]
        self.state = {each.name: np.zeros((1, streams, each.shape[2]), np.float32) for each in names}

    def __call__(self, ids: NDArray[Any]) -> NDArray[Any]:
        scores, *after = self.session.run(None, {"ids": ids, **self.state})
        self.state = dict(zip(self.state, after, strict=True))
        return np.asarray(scores)


def log_softmax(scores: NDArray[Any]) -> NDArray[Any]:
    shifted = scores - scores.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def own_logs(lm: LanguageModel, ids: NDArray[Any]) -> NDArray[Any]:
    """ln P of every next token after ids (N, T): (N, T, V)."""
    state, logs = lm.model.zero_state(len(ids)), []
    for column in ids.T:
        scores, state = lm.model.step(column, state)
        logs.append(log_softmax(scores))
    return np.stack(logs, axis=1)


def some_ids(lm: LanguageModel, shape: tuple[int, int]) -> NDArray[Any]:
    return np.random.default_rng(1).integers(0, lm.tokenizer.vocab_size, shape)


@pytest.mark.parametrize("output", OUTPUTS, ids=named)
@pytest.mark.parametrize("cell", CELLS, ids=named)
def test_blocks_and_steps_have_the_log_probabilities_of_weft(
    tmp_path: Path, cell: dict[str, Any], output: dict[str, Any]
) -> None:
    lm = exported_model(**cell, **output)
    ids = some_ids(lm, (3, 5))
    expected = own_logs(lm, ids)
    export_onnx(lm, tmp_path / "block.onnx")
    export_onnx(lm, tmp_path / "step.onnx", form="step", log_probabilities=True)
    block, step = Session(tmp_path / "block.onnx", 3), Session(tmp_path / "step.onnx", 3)
    blocks = np.concatenate((block(ids[:, :2]), block(ids[:, 2:3]), block(ids[:, 3:])), axis=1)
    np.testing.assert_allclose(log_softmax(blocks), expected, atol=TOLERANCE, rtol=0)
    steps = np.stack([step(column) for column in ids.T], axis=1)
    np.testing.assert_allclose(steps, expected, atol=TOLERANCE, rtol=0)


def test_a_window_of_one_token_has_no_state(tmp_path: Path) -> None:
    lm = exported_model(cell="window", window=1)
    export_onnx(lm, tmp_path / "m.onnx", log_probabilities=True)
    ids = some_ids(lm, (2, 4))
    session = Session(tmp_path / "m.onnx", 2)
    np.testing.assert_allclose(session(ids), own_logs(lm, ids), atol=TOLERANCE, rtol=0)
    assert session.state == {}


@pytest.mark.parametrize("form", onnx_model.FORMS)
@pytest.mark.parametrize("cell", CELLS, ids=named)
def test_int8_changes_perplexity_by_a_few_percent_and_the_file_is_smaller(
    tmp_path: Path, cell: dict[str, Any], form: str
) -> None:
    lm = exported_model(embedding_size=48, hidden_size=48, text=["a b c d e f g h i j k l\n"], **cell)
    for parameter in lm.model.params:
        parameter *= 0.3
    ids = some_ids(lm, (4, 20))
    export_onnx(lm, tmp_path / "m.onnx", form=form)
    export_onnx(lm, tmp_path / "m8.onnx", form=form, int8=True)
    assert (tmp_path / "m8.onnx").stat().st_size < (tmp_path / "m.onnx").stat().st_size
    session = Session(tmp_path / "m8.onnx", 4)
    scores = session(ids) if form == "block" else np.stack([session(column) for column in ids.T], axis=1)
    targets = ids[:, 1:, None]
    found, own = (
        -np.take_along_axis(logs[:, :-1], targets, axis=2).mean() for logs in (log_softmax(scores), own_logs(lm, ids))
    )
    assert found != own
    assert found == pytest.approx(own, abs=0.1)


def test_a_tied_matrix_is_in_the_file_once(tmp_path: Path) -> None:
    text = [" ".join(f"w{n}" for n in range(500)) + "\n"]
    export_onnx(exported_model(text=text, tied=True), tmp_path / "tied.onnx")
    export_onnx(exported_model(text=text), tmp_path / "m.onnx")
    matrix = 502 * 6 * 4
    difference = (tmp_path / "m.onnx").stat().st_size - (tmp_path / "tied.onnx").stat().st_size
    assert matrix * 0.9 < difference < matrix * 1.1


@pytest.mark.parametrize("kind", ["word", "text", "bpe"])
def test_the_metadata_have_the_vocabulary_and_the_settings(tmp_path: Path, kind: str) -> None:
    lm = exported_model(kind)
    export_onnx(lm, tmp_path / "m.onnx", int8=True)
    metadata = Session(tmp_path / "m.onnx", 1).session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata["vocabulary"]) == lm.tokenizer.tokens
    assert int(metadata["eos"]) == lm.tokenizer.eos_id
    assert metadata.get("unk") == (None if kind == "bpe" else "0")
    assert json.loads(metadata["settings"])["model"]["hidden_size"] == 6
    lm.tokenizer.save(tmp_path / "tokenizer.json")
    assert metadata["tokenizer.json"] == (tmp_path / "tokenizer.json").read_text("utf-8")


def test_a_file_is_replaced_only_if_told_to(tmp_path: Path) -> None:
    lm, file = exported_model(), tmp_path / "m.onnx"
    export_onnx(lm, file)
    with pytest.raises(InputError, match="is there already: replace it with --overwrite"):
        export_onnx(lm, file)
    export_onnx(lm, file, overwrite=True, form="step")
    assert onnx.load(file).graph.name == "step"
    assert list(tmp_path.iterdir()) == [file]


def test_what_cannot_be_exported_is_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from weft.adaptation import Cache
    from weft.exporting import network

    lm = exported_model()
    with pytest.raises(InputError, match=r"^a model that adapts while it reads cannot be exported.*$"):
        export_onnx(lm.adapting(cache=Cache(10)), tmp_path / "m.onnx")
    with pytest.raises(InputError, match=r'^form must be one of block, step, got \'stp\' \(did you mean "step"\?\)$'):
        export_onnx(lm, tmp_path / "m.onnx", form="stp")
    with pytest.raises(InputError, match=r"^there is no folder .*, m.onnx: make it first$"):
        export_onnx(lm, tmp_path / "nowhere" / "m.onnx")
    monkeypatch.setattr(onnx_model, "LARGEST", 1000)
    with pytest.raises(InputError, match=r"^the weights have .* a file of ONNX has 2 GB at most$"):
        export_onnx(lm, tmp_path / "m.onnx")
    monkeypatch.setattr(network, "CELLS", {})
    with pytest.raises(InputError, match=r"^the cell 'lstm' cannot be exported, only rnn, lstm, gru, .*$"):
        export_onnx(lm, tmp_path / "m.onnx")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"^the export needs the package 'onnx'.*pip install 'weft\[onnx\]'$"):
        export_onnx(lm, tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []

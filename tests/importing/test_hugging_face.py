"""Folders of `weft export hf` become the model that they were exported from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.untrained import TEXT, untrained
from weft.errors import InputError
from weft.exporting import export_hf
from weft.importing import import_model
from weft.language_model import LanguageModel, build_model

LINE = "you say unheard-of goodbye"


def model_of(kind: str, **settings: Any) -> LanguageModel:
    lm = untrained(kind)
    config = type(lm.config)(
        lm.config.text, type(lm.config.model)(**{**vars(lm.config.model), **settings}), lm.config.training
    )
    model = build_model(config.model, lm.tokenizer.vocab_size, seed=0)
    rng = np.random.default_rng(0)
    for parameter in model.named_parameters().values():
        parameter[...] = rng.normal(0, 0.5, parameter.shape)
    return LanguageModel(model, lm.tokenizer, config)


MODELS: dict[str, dict[str, Any]] = {
    "plain": {},
    "tied": {"tied": True},
    "normalized": {"layer_norm": True, "cell": "lstm"},
    "residual": {"residual": True},
    "after": {"cell": "gru-after"},
}


@pytest.mark.parametrize("kind", ["word", "char"])
@pytest.mark.parametrize("name", MODELS)
def test_the_scores_are_those_of_the_exported_model(tmp_path: Path, name: str, kind: str) -> None:
    lm = model_of(kind, **MODELS[name])
    export_hf(lm, tmp_path / "hf")
    back = import_model(tmp_path / "hf", tmp_path / "run")
    assert back.tokenizer.tokens == lm.tokenizer.tokens
    assert back.tokenizer.words == lm.tokenizer.words
    for line in (*TEXT[:3], LINE):
        assert back.logprob(line) == pytest.approx(lm.logprob(line), rel=1e-5)
    for parameter, values in back.model.named_parameters().items():
        np.testing.assert_array_equal(values, lm.model.named_parameters()[parameter])


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("bpe", {}, "its tokenizer is 'BPE', expected words or characters"),
        ("word", {"output": "adaptive", "cutoffs": (4,)}, "the output adaptive"),
        ("word", {"cell": "window"}, "the cell window cannot be imported"),
    ],
)
def test_what_is_not_imported_is_named(tmp_path: Path, kind: str, settings: dict[str, Any], message: str) -> None:
    export_hf(model_of(kind, **settings), tmp_path / "hf")
    with pytest.raises(InputError, match=message):
        import_model(tmp_path / "hf", tmp_path / "run")


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("config.json", {"model_type": "gpt2"}, "its model_type is 'gpt2'"),
        ("config.json", {"layer_sizes": [6]}, r"its weights 'recurrent.1.Wh', .* are of no layer"),
        ("config.json", {"layer_sizes": [6, 6, 6]}, "its layer 2 does not have"),
        ("config.json", {"cell": "lstm"}, "parameters of other shapes|unknown cell"),
        ("config.json", {"cell": "none"}, "unknown cell 'none'"),
        ("config.json", {"output": None}, "'output' should be of type str"),
        ("tokenizer.json", {"model": {"type": "WordLevel", "vocab": {"a": 1}}}, "are not 0, 1, 2"),
        ("tokenizer.json", {"model": {"type": "WordLevel", "vocab": {"a": 0}}}, "its vocabulary is none of weft"),
    ],
)
def test_damaged_folders_are_refused(tmp_path: Path, name: str, change: dict[str, Any], message: str) -> None:
    export_hf(model_of("word"), tmp_path / "hf")
    path = tmp_path / "hf" / name
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **change}), "utf-8")
    with pytest.raises(InputError, match=message):
        import_model(tmp_path / "hf", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_other_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"it is a folder without config.json, model.safetensors, tokenizer.json"):
        import_model(tmp_path / "empty", tmp_path / "run")

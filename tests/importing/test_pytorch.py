"""Models of PyTorch have, after their import, the perplexity that PyTorch's own forward pass gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from helpers.foreign_models import (
    HIDDEN,
    LAYERS,
    SIZE,
    AwdModel,
    RNNModel,
    SplitCrossEntropyLoss,
    perplexity_of,
    randomized,
    save,
    text_of,
    vocabulary_of,
)
from weft.errors import InputError
from weft.importing import import_model
from weft.language_model import LanguageModel

TEXT = text_of()
VOCABULARY = vocabulary_of(TEXT)
V = len(VOCABULARY)
KINDS = {"LSTM": "lstm", "GRU": "gru-after", "RNN_TANH": "rnn", "RNN_RELU": "rnn-relu"}


def word_language_model(kind: str = "LSTM", tied: bool = False, layers: int = LAYERS) -> Any:
    sizes = (SIZE, SIZE) if tied else (SIZE, HIDDEN)
    return randomized(RNNModel(kind, V, *sizes, layers, 0.2, tied))


def imported(tmp_path: Path, value: Any, legacy: bool = False, **options: Any) -> LanguageModel:
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text("".join(f"{word}\n" for word in VOCABULARY), "utf-8")
    return import_model(save(value, tmp_path / "model.pt", legacy=legacy), tmp_path / "run", **options)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_word_language_model_has_its_perplexity(tmp_path: Path, kind: str, tied: bool, legacy: bool) -> None:
    model = word_language_model(kind, tied)
    lm = imported(tmp_path, model, legacy)
    assert lm.config.model.cell == KINDS[kind]
    assert lm.config.model.tied == tied
    assert lm.config.model.dropout == 0.2
    other = text_of(seed=1)
    for text in (TEXT, other):
        assert lm.evaluate([text]).perplexity == pytest.approx(perplexity_of(model, text, VOCABULARY), rel=1e-5)


def test_next_words_are_those_of_the_model(tmp_path: Path) -> None:
    model = word_language_model()
    lm = imported(tmp_path, model)
    with torch.no_grad():
        scores = model(torch.tensor([VOCABULARY.index(word) for word in ("<eos>", "the", "cat")]))[-1]
    expected = dict(zip(VOCABULARY, torch.softmax(scores, 0).tolist(), strict=True))
    ours = dict(lm.next("the cat", k=V))
    assert ours.keys() == expected.keys()
    for word, share in expected.items():
        assert ours[word] == pytest.approx(share, rel=1e-4)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_awd_lstm_has_its_perplexity_and_dropouts(tmp_path: Path, legacy: bool) -> None:
    model = randomized(AwdModel(V, SIZE, HIDDEN, 3))
    optimizer = torch.optim.ASGD(model.parameters(), lr=1.0)
    perplexity_of(model, TEXT, VOCABULARY)
    lm = imported(tmp_path, [model, SplitCrossEntropyLoss(SIZE, []), optimizer], legacy)
    assert lm.evaluate([TEXT]).perplexity == pytest.approx(perplexity_of(model, TEXT, VOCABULARY), rel=1e-5)
    config = lm.config.model
    assert config.tied
    assert (config.hidden_size, config.embedding_size, config.layers) == (HIDDEN, SIZE, 3)
    assert (config.dropout_in, config.dropout_between, config.dropout_out) == (0.4, 0.25, 0.4)
    assert (config.embedding_dropout, config.weight_dropout, config.dropout_locked) == (0.1, 0.5, True)


@pytest.mark.parametrize("under", [None, "state_dict"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_state_dict_is_enough(tmp_path: Path, kind: str, under: str | None) -> None:
    model = word_language_model(kind, tied=True)
    value: Any = model.state_dict() if under is None else {"epoch": 3, under: model.state_dict()}
    cell = KINDS[kind] if kind.startswith("RNN") else None
    lm = imported(tmp_path, value, cell=cell)
    assert lm.config.model.tied
    assert lm.evaluate([TEXT]).perplexity == pytest.approx(perplexity_of(model, TEXT, VOCABULARY), rel=1e-5)


def test_a_state_dict_of_an_rnn_needs_the_kind(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give --cell"):
        imported(tmp_path, word_language_model("RNN_TANH").state_dict())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_types_of_numbers_are_converted_exactly(tmp_path: Path, dtype: torch.dtype) -> None:
    model = word_language_model().to(dtype)
    lm = imported(tmp_path, model)
    expected = perplexity_of(model.float(), TEXT, VOCABULARY)
    assert lm.evaluate([TEXT]).perplexity == pytest.approx(expected, rel=1e-5)


def test_a_model_without_biases_has_zeros(tmp_path: Path) -> None:
    model = word_language_model()
    model.rnn = nn.LSTM(SIZE, HIDDEN, LAYERS, bias=False)
    model.decoder = nn.Linear(HIDDEN, V, bias=False)
    randomized(model)
    lm = imported(tmp_path, model)
    assert lm.evaluate([TEXT]).perplexity == pytest.approx(perplexity_of(model, TEXT, VOCABULARY), rel=1e-5)


def test_a_tensor_that_is_a_transposed_view_is_read_as_one(tmp_path: Path) -> None:
    model = word_language_model()
    state = model.state_dict()
    state["encoder.weight"] = state["encoder.weight"].T.contiguous().T
    lm = imported(tmp_path, state)
    assert lm.evaluate([TEXT]).perplexity == pytest.approx(perplexity_of(model, TEXT, VOCABULARY), rel=1e-5)


def _with(**modules: Any) -> Any:
    model = word_language_model()
    for name, module in modules.items():
        setattr(model, name, module)
    return model


REFUSED = {
    "bidirectional": (_with(rnn=nn.LSTM(SIZE, HIDDEN, bidirectional=True)), "is bidirectional"),
    "projections": (_with(rnn=nn.LSTM(SIZE, HIDDEN, proj_size=2)), "projections"),
    "another module": (_with(norm=nn.LayerNorm(4)), r"'norm' of class 'torch.nn.modules.*LayerNorm'"),
    "two kinds": (_with(more=nn.GRU(SIZE, HIDDEN)), "several kinds"),
    "other sizes": (_with(encoder=nn.Embedding(V, 2)), "reads 6 numbers"),
    "no output": (_with(decoder=None, encoder=nn.Embedding(V, SIZE)), "output layer has the shapes"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_weft_does_not_have_is_refused_by_name(tmp_path: Path, name: str) -> None:
    model, message = REFUSED[name]
    with pytest.raises(InputError, match=message) as caught:
        imported(tmp_path, model)
    assert str(caught.value).startswith(f"cannot import {tmp_path / 'model.pt'}: it")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    state = word_language_model().state_dict()
    state["decoder.bias"][3] = value
    with pytest.raises(InputError, match="not finite"):
        imported(tmp_path, state)


def test_integers_are_refused_by_name(tmp_path: Path) -> None:
    state = word_language_model().state_dict()
    state["encoder.weight"] = torch.zeros((V, SIZE), dtype=torch.int64)
    with pytest.raises(InputError, match="numbers of type i8"):
        imported(tmp_path, state)


def test_a_bidirectional_state_dict_is_refused_by_name(tmp_path: Path) -> None:
    state = REFUSED["bidirectional"][0].state_dict()
    with pytest.raises(InputError, match="it is bidirectional"):
        imported(tmp_path, state)


def test_the_tree_softmax_of_awd_lstm_is_refused_by_name(tmp_path: Path) -> None:
    model = randomized(AwdModel(V, SIZE, HIDDEN, 2))
    with pytest.raises(InputError, match="SplitCrossEntropyLoss of 3 parts"):
        imported(tmp_path, [model, SplitCrossEntropyLoss(SIZE, [4, 8]), None])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_file_of_torchscript_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "model.pt"
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), file)
    with pytest.raises(InputError, match="TorchScript"):
        import_model(file, tmp_path / "run")


def test_the_parameters_are_float32_in_the_order_of_the_tokenizer(tmp_path: Path) -> None:
    model = word_language_model()
    lm = imported(tmp_path, model)
    assert lm.tokenizer.tokens[:2] == ["<unk>", "<eos>"]
    E = model.encoder.weight.detach().numpy()
    for word in VOCABULARY:
        id = lm.tokenizer.id(word)
        np.testing.assert_array_equal(lm.model.params[0][id], E[VOCABULARY.index(word)])
    assert {parameter.dtype.name for parameter in lm.model.params} == {"float32"}

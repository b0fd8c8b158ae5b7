"""The textbook's parameters, as its `save_params` pickles them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.foreign_models import text_of, vocabulary_of
from weft.errors import InputError
from weft.importing import import_model
from weft.layers import TimeAffine, TimeEmbedding, TimeSoftmaxWithLoss, time_layer

TEXT = text_of()
VOCABULARY = vocabulary_of(TEXT)
V, D, H = len(VOCABULARY), 6, 5
GATES = {"rnn": 1, "gru": 3, "lstm": 4}


def parameters(cell: str, layers: int = 1, tied: bool = False) -> list[Any]:
    """As `Rnnlm` has them, or, tied, as `BetterRnnlm` does: in float16."""
    draw = np.random.default_rng(0)
    sizes = [D, *[D if tied else H] * layers]
    params = [draw.normal(0, 1, (V, D))]
    for n in range(layers):
        columns = GATES[cell] * sizes[n + 1]
        params += [draw.normal(0, 0.5, shape) for shape in ((sizes[n], columns), (sizes[n + 1], columns), (columns,))]
    params += [params[0].T if tied else draw.normal(0, 1, (sizes[-1], V)), draw.normal(0, 1, V)]
    return [param.astype(np.float16) for param in params]


def perplexity(cell: str, params: list[Any]) -> float:
    """That of TEXT, by the textbook's layers."""
    embed, *others = [param.astype("f") for param in params]
    ids = np.array([VOCABULARY.index(word) for line in TEXT.splitlines() for word in [*line.split(), "<eos>"]])[None]
    xs = np.concatenate(([[VOCABULARY.index("<eos>")]], ids[:, :-1]), axis=1)
    hs = TimeEmbedding(embed).forward(xs)
    while len(others) > 2:
        hs = time_layer(cell)(*others[:3]).forward(hs)
        others = others[3:]
    return float(np.exp(TimeSoftmaxWithLoss().forward(TimeAffine(*others).forward(hs), ids)))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol_is_read(tmp_path: Path, protocol: int) -> None:
    params = parameters("lstm")
    (tmp_path / "Rnnlm.pkl").write_bytes(pickle.dumps(params, protocol))
    (tmp_path / "ptb.train.txt").write_text(TEXT, "utf-8")
    lm = import_model(tmp_path / "Rnnlm.pkl", tmp_path / "run", vocab=tmp_path / "ptb.train.txt")
    assert lm.evaluate([TEXT]).perplexity == pytest.approx(perplexity("lstm", params), rel=1e-5)
    assert sum(lm.tokenizer.counts) == len(TEXT.split()) + TEXT.count("\n")


@pytest.mark.parametrize(("cell", "layers", "tied"), [("rnn", 1, False), ("gru", 1, False), ("lstm", 2, True)])
def test_every_model_of_the_textbook_has_its_perplexity(tmp_path: Path, cell: str, layers: int, tied: bool) -> None:
    params = parameters(cell, layers, tied)
    (tmp_path / "BetterRnnlm.pkl").write_bytes(pickle.dumps(params, 3))
    word_to_id = {word: id for id, word in enumerate(VOCABULARY)}
    (tmp_path / "ptb.vocab.pkl").write_bytes(pickle.dumps((word_to_id, {id: word for word, id in word_to_id.items()})))
    lm = import_model(tmp_path / "BetterRnnlm.pkl", tmp_path / "run", vocab=tmp_path / "ptb.vocab.pkl")
    assert (lm.config.model.cell, lm.config.model.layers, lm.config.model.tied) == (cell, layers, tied)
    assert lm.evaluate([TEXT]).perplexity == pytest.approx(perplexity(cell, params), rel=1e-5)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": 1}, "something else than a list"),
        ([], "something else than a list"),
        ([np.zeros((2, 2)), np.zeros(2)], "list of 2 arrays"),
        ([np.zeros((2, 2), "i4")] * 6, "another type"),
        ([np.zeros(s) for s in ((9, 2), (2, 6), (3, 6), (6,), (3, 9), (9,))], "none of RNN, LSTM and GRU"),
        ([np.zeros(s) for s in ((9, 2), (2, 3), (3, 3), (3,), (3, 8), (8,))], "output layer has the shapes"),
        ([np.full(s, 1e300) for s in ((9, 2), (2, 3), (3, 3), (3,), (3, 9), (9,))], "not finite"),
    ],
)
def test_other_pickles_are_refused(tmp_path: Path, value: Any, message: str) -> None:
    (tmp_path / "other.pkl").write_bytes(pickle.dumps(value))
    with pytest.raises(InputError, match=message):
        import_model(tmp_path / "other.pkl", tmp_path / "run", vocab=tmp_path / "vocab.txt")

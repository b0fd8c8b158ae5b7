"""Training that starts from a run: its weights and tokenizer, an extended vocabulary, and what does not fit."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import weft
from helpers.command_line import SIZES, write_text
from weft.config.toml import read_config
from weft.errors import InputError, MissingFileError
from weft.run_folder import CONFIG, first_weights_path
from weft.run_folder.integrity import checked_files
from weft.runs.lr_search import find_lr
from weft.runs.prepare import untrained_model
from weft.runs.reporting import Silent
from weft.training.safetensors_io import read_tensors

QUICK: dict[str, Any] = {"kernels": "plain", "batch_size": 2, "bptt": 10, "valid_fraction": 0.1, "test_fraction": 0.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs: `base` of words, `sampled` with another output layer, and `new.txt` with new words."""
    folder = tmp_path_factory.mktemp("start")
    text = write_text(folder / "old.txt")
    for name, output in (("base", "full"), ("sampled", "sampled")):
        weft.train(
            text, out=folder / name, epochs=1, tokenizer="word", output=output, dropout=0.1, **{**SIZES, **QUICK}
        )
    old = text.read_text("utf-8").splitlines()
    (folder / "new.txt").write_text("".join(f"{line} zebra runs\n" for line in old[:100]), "utf-8")
    return folder


def start(folder: Path, tmp_path: Path, base: str = "base", **settings: Any) -> weft.LanguageModel:
    settings = {"epochs": 1, "max_steps": 1, **QUICK, **settings}
    return weft.train(folder / "new.txt", out=tmp_path / "run", from_run=folder / base, **settings)


def first_weights(run: Path) -> dict[str, Any]:
    config = read_config(run / CONFIG)
    shutil.rmtree(run / "checkpoints", ignore_errors=True)
    return untrained_model(run, config).model.named_parameters()


def test_a_run_starts_from_the_weights_the_tokenizer_and_the_dropouts_of_another(folder: Path, tmp_path: Path) -> None:
    base = weft.load(folder / "base")
    lm = start(folder, tmp_path)
    assert lm.tokenizer.tokens == base.tokenizer.tokens
    assert lm.config.model.from_run == str(folder / "base")
    assert (lm.config.model.dropout, lm.config.training.lr) == (0.1, 1e-3)
    for name, values in first_weights(tmp_path / "run").items():
        np.testing.assert_array_equal(values, base.model.named_parameters()[name])


@pytest.mark.parametrize("base", ["base", "sampled"])
def test_an_extended_vocabulary_keeps_all_ids_and_new_rows_are_means(folder: Path, tmp_path: Path, base: str) -> None:
    old = weft.load(folder / base)
    lm = start(folder, tmp_path, base, extend_vocab=True)
    V = old.tokenizer.vocab_size
    assert lm.tokenizer.tokens == [*old.tokenizer.tokens, "runs", "zebra"]
    assert lm.tokenizer.counts[V:] == [91, 91]  # in nine tenths of the text
    first = first_weights(tmp_path / "run")
    axes = {name: shape.index(V) for name, shape in ((n, v.shape) for n, v in old.model.named_parameters().items())
            if V in shape}  # fmt: skip
    assert axes.keys() == {"embedding.W", "output.W", "output.b"} & first.keys()
    for name, values in old.model.named_parameters().items():
        axis = axes.get(name)
        if axis is None:
            np.testing.assert_array_equal(first[name], values)
        else:
            new = np.moveaxis(first[name], axis, 0)
            np.testing.assert_array_equal(new[:V], np.moveaxis(values, axis, 0))
            for row in new[V:]:
                np.testing.assert_allclose(row, values.mean(axis=axis), rtol=1e-5, atol=1e-7)


def test_new_words_are_at_first_as_likely_as_a_mean_word_and_old_ones_keep_their_order(
    folder: Path, tmp_path: Path
) -> None:
    start(folder, tmp_path, extend_vocab=True)
    first_weights(tmp_path / "run")
    lm = untrained_model(tmp_path / "run", read_config(tmp_path / "run" / CONFIG))
    before, after = (dict(model.next("the cat", k=99)) for model in (weft.load(folder / "base"), lm))
    share = 1 - after["zebra"] - after["runs"]
    assert after["zebra"] == pytest.approx(after["runs"])
    assert 0 < after["zebra"] <= 1.001 / len(before)
    for word, probability in before.items():
        assert after[word] == pytest.approx(share * probability, rel=1e-4)


def test_training_from_a_run_is_better_than_from_random_weights(folder: Path, tmp_path: Path) -> None:
    tuned = start(folder, tmp_path, max_steps=None)
    fresh = weft.train(folder / "new.txt", epochs=1, tokenizer="word", **{**SIZES, **QUICK})
    text = "the cat sat on a mat\n"
    assert tuned.perplexity(text) < fresh.perplexity(text)


def test_a_resumed_run_needs_only_itself_and_has_the_same_bits(folder: Path, tmp_path: Path) -> None:
    base = shutil.copytree(folder / "base", tmp_path / "base")
    settings: dict[str, Any] = {**QUICK, "from_run": base, "extend_vocab": True, "epochs": 2, "schedule": "constant"}
    weft.train(folder / "new.txt", out=tmp_path / "whole", **settings)
    weft.train(folder / "new.txt", out=tmp_path / "run", **{**settings, "max_steps": 3})
    shutil.rmtree(base)
    weft.train(out=tmp_path / "run", resume=True, max_steps=10_000)
    whole, resumed = (read_tensors(tmp_path / name / "model.safetensors") for name in ("whole", "run"))
    for name, values in whole.items():
        np.testing.assert_array_equal(resumed[name], values)


def test_a_run_that_was_stopped_before_its_first_checkpoint_starts_from_the_same_weights(
    folder: Path, tmp_path: Path
) -> None:
    start(folder, tmp_path)
    for name in ("checkpoints", "model.safetensors", "metrics.jsonl"):
        path = tmp_path / "run" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    weft.train(out=tmp_path / "run", resume=True)
    resumed = read_tensors(tmp_path / "run" / "model.safetensors")
    start(folder, tmp_path / "again")
    for name, values in read_tensors(tmp_path / "again" / "run" / "model.safetensors").items():
        np.testing.assert_array_equal(resumed[name], values)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden_size": 16}, "hidden_size 16 does not fit .*base, from which the run starts and which has 8"),
        ({"cell": "gru"}, "cell gru does not fit .* has lstm: leave cell out"),
        ({"tied": True}, "tied true does not fit .* has false"),
        ({"tokenizer": "char"}, "tokenizer char does not fit .* has word"),
        ({"vocab_size": 5}, "vocab_size 5 does not fit .* with extend_vocab it is about the new words"),
        ({"vocab_size": 5, "extend_vocab": True}, r"vocab_size 5 is less than the 14 types of the vocabulary"),
        ({"output": "adaptive"}, "output adaptive does not fit .* has full"),
    ],
)
def test_settings_that_do_not_fit_are_refused_before_the_text_is_read(
    folder: Path, tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        start(folder, tmp_path, **settings)
    assert not (tmp_path / "run").exists()


def test_the_settings_of_the_run_itself_may_be_given(folder: Path, tmp_path: Path) -> None:
    assert start(folder, tmp_path, hidden_size=8, cell="lstm", dropout=0.3).config.model.dropout == 0.3


def test_extend_vocab_without_a_run_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="extends the vocabulary of from_run, which is not given"):
        weft.train(folder / "new.txt", extend_vocab=True)
    with pytest.raises(MissingFileError, match="no run folder at"):
        weft.train(folder / "new.txt", from_run=tmp_path / "none")


def test_a_vocabulary_of_bytes_cannot_be_extended(folder: Path, tmp_path: Path) -> None:
    weft.train(folder / "old.txt", out=tmp_path / "bpe", epochs=1, tokenizer="bpe", max_steps=1, **{**SIZES, **QUICK})
    with pytest.raises(InputError, match=r"adds words or characters; .* has the tokenizer bpe"):
        weft.train(folder / "new.txt", from_run=tmp_path / "bpe", extend_vocab=True)


def test_a_learning_rate_can_be_looked_for_from_a_run(folder: Path) -> None:
    given = {"data": (str(folder / "new.txt"),), "from_run": str(folder / "base"), **QUICK}
    sweep = find_lr(given, lowest=1e-5, highest=1.0, steps=5, reporter=Silent())
    assert len(sweep.rates) <= 5


def test_damaged_first_weights_are_found(folder: Path, tmp_path: Path) -> None:
    start(folder, tmp_path)
    path = first_weights_path(tmp_path / "run")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert [file.name for file in checked_files(tmp_path / "run") if file.problem] == ["data/first_weights.safetensors"]

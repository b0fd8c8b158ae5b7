"""Baselines by name; a window baseline is trained once, with the settings of its run."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import weft
from helpers.command_line import SIZES, names, write_text
from weft.comparison import window_baseline
from weft.comparison.baselines import Baseline, trained_baseline
from weft.comparison.scorers import NGramScorer
from weft.comparison.window_baseline import trained_window, window_config
from weft.errors import InputError, MissingFileError
from weft.language_model import build_model
from weft.ngram.discounts import FALLBACK
from weft.ngram.kneser_ney import estimate
from weft.run_folder import tokens_path
from weft.runs.reporting import Silent
from weft.runs.train import train, train_model
from weft.text.tokens import open_tokens
from weft.training.trainer import Trainer


class Notes(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture(scope="module")
def run_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    text = write_text(folder / "my.txt")
    weft.train(text, out=folder / "run", epochs=2, layers=2, tokenizer="word", **SIZES)
    return folder / "run"


@pytest.fixture
def run(run_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run_once, tmp_path / "run"))


def test_names() -> None:
    assert Baseline.named("kn3") == Baseline("kn", 3)
    assert Baseline.named("window12").name == "window12"
    for wrong in ("kn0", "kn6", "kn", "window", "window0", "kn5 ", "lstm", ""):
        with pytest.raises(InputError, match="a baseline is kn1 to kn5, or window1, window2"):
            Baseline.named(wrong)
    with pytest.raises(InputError, match='did you mean "window4"'):
        Baseline.named("windw4")


def test_an_n_gram_baseline_is_trained_on_the_text_of_the_run(run: Path) -> None:
    lm, notes = weft.load(run), Notes()
    scorer = trained_baseline(Baseline("kn", 2), run, lm, notes)
    assert isinstance(scorer, NGramScorer)
    ids = np.asarray(open_tokens(tokens_path(run, "train")))
    expected = estimate(ids, lm.tokenizer.vocab_size, lm.tokenizer.eos_id, 2, FALLBACK)
    np.testing.assert_array_equal(scorer.model.log_probabilities(ids), expected.log_probabilities(ids))
    assert notes.lines[0] == f"kn2: counting the n-grams of {len(ids):,} training tokens"
    assert "the text is too small to estimate all discounts" in notes.lines[1]


def test_a_window_baseline_has_the_settings_of_its_run_and_is_saved(run: Path) -> None:
    lm, notes = weft.load(run), Notes()
    window = trained_window(3, run, lm, notes)
    assert window.config.training == lm.config.training
    assert window.config.model == replace(lm.config.model, cell="window", window=3, layers=1)
    assert window.tokenizer.tokens == lm.tokenizer.tokens
    assert "epochs 2" in notes.lines[0]
    kept = run / "baselines" / "window3"
    assert names(run / "baselines") == ["window3"]
    assert weft.load(kept).logprob("the cat sat") == window.logprob("the cat sat")
    assert "checkpoints" not in names(kept)


def test_a_window_baseline_drops_settings_of_recurrent_layers(run: Path) -> None:
    config = weft.load(run).config
    recurrent = {"weight_dropout": 0.2, "residual": True, "layer_norm": True, "embedding_size": 6, "tied": True}
    dropouts = {"dropout": 0.0, "dropout_in": 0.0, "dropout_between": 0.3, "dropout_locked": True}
    for settings in (dropouts, {**dropouts, "dropout_out": 0.2}, {**dropouts, "dropout": 0.4, "dropout_in": 0.1}):
        model = replace(config.model, **recurrent, **settings, embedding_dropout=0.1)  # type: ignore[arg-type]
        window = window_config(replace(config, model=model), 3).model
        assert (window.weight_dropout, window.residual, window.layer_norm) == (0, False, False)
        assert (window.hidden_size, window.embedding_dropout) == (6, 0.1)
        build_model(window, 9, seed=0)


def test_it_is_trained_again_only_when_the_run_has_changed(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[Path] = []

    def counting(folder: Path, *arguments: Any, **options: Any) -> Any:
        trained.append(folder)
        return train_model(folder, *arguments, **options)

    monkeypatch.setattr(window_baseline, "train_model", counting)
    lm = weft.load(run)
    first = trained_window(3, run, lm, Silent())
    again = trained_window(3, run, lm, Silent())
    assert len(trained) == 1
    assert first.logprob("the cat") == again.logprob("the cat")
    lm.config = replace(lm.config, training=replace(lm.config.training, epochs=3))
    assert trained_window(3, run, lm, Silent()).config.training.epochs == 3
    assert len(trained) == 2
    lm.config = replace(lm.config, training=replace(lm.config.training, save_every=5.0))
    trained_window(3, run, lm, Silent())
    assert len(trained) == 2


def test_an_interrupted_training_resumes_with_the_same_result(
    run: Path, run_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lm = weft.load(run)
    untouched = Path(shutil.copytree(run_once, tmp_path / "untouched"))
    expected = trained_window(2, untouched, weft.load(untouched), Silent())
    outcome = Trainer._outcome
    monkeypatch.setattr(
        Trainer, "_outcome", lambda self, stop: "interrupted" if self.step == 7 else outcome(self, stop)
    )
    with pytest.raises(KeyboardInterrupt, match="stopped while training window2; the same command goes on with it"):
        trained_window(2, run, lm, Silent())
    assert names(run / "baselines") == ["window2.unfinished"]
    monkeypatch.setattr(Trainer, "_outcome", outcome)
    notes = Notes()
    window = trained_window(2, run, lm, notes)
    assert any("going on from the checkpoint" in line for line in notes.lines)
    for name, array in window.model.named_parameters().items():
        np.testing.assert_array_equal(array, expected.model.named_parameters()[name])
    assert names(run / "baselines") == ["window2"]


def test_a_new_run_removes_the_old_baselines(run: Path, tmp_path: Path) -> None:
    trained_window(2, run, weft.load(run), Silent())
    (run / "comparison.png").touch()
    train(write_text(tmp_path / "other.txt"), out=run, overwrite=True, epochs=1, tokenizer="word", **SIZES)
    assert not {"baselines", "comparison.png"} & set(names(run))


def test_without_its_training_text_a_run_has_no_baselines(run: Path) -> None:
    tokens_path(run, "train").unlink()
    with pytest.raises(MissingFileError, match="has no training text for kn5 to learn from"):
        trained_baseline(Baseline("kn", 5), run, weft.load(run), Silent())


def test_without_fused_kernels_the_window_is_trained_on_plain_ones(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = weft.load(run).config
    fused = replace(config, training=replace(config.training, kernels="fused", threads=2))
    assert window_config(fused, 4).training.kernels == "fused"
    monkeypatch.setattr(window_baseline, "why_not_fused", lambda: "no reason")
    training = window_config(fused, 4).training
    assert (training.kernels, training.threads) == ("plain", None)


def test_the_window_keeps_bfloat16_where_the_processor_has_it(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lm = weft.load(run)
    bfloat16 = replace(lm.config, training=replace(lm.config.training, kernels="fused", precision="bfloat16"))
    for name, reason in (("why_not_fused", None), ("why_not_bfloat16", None)):
        monkeypatch.setattr(window_baseline, name, lambda reason=reason: reason)
    assert window_config(bfloat16, 4).training.precision == "bfloat16"
    monkeypatch.setattr(window_baseline, "why_not_bfloat16", lambda: "no reason")
    assert window_config(bfloat16, 4).training.precision == "float32"
    monkeypatch.setattr(window_baseline, "why_not_fused", lambda: "no reason")
    training = window_config(bfloat16, 4).training
    assert (training.kernels, training.precision) == ("plain", "float32")


def test_a_change_of_precision_does_not_train_the_window_again(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lm = weft.load(run)
    first = trained_window(3, run, lm, Silent())
    lm.config = replace(lm.config, training=replace(lm.config.training, kernels="fused", precision="bfloat16"))
    monkeypatch.setattr(window_baseline, "train_model", lambda *_args, **_options: pytest.fail("trained again"))
    assert trained_window(3, run, lm, Silent()).logprob("the cat") == first.logprob("the cat")

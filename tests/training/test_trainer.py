"""The trainer; stopping and resuming are tested in `test_resume`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from weft.errors import CheckpointError, InputError, TrainingDivergedError
from weft.evaluation.perplexity import mean_nats
from weft.layers import Loss
from weft.layers.sparse_gradient import dense
from weft.training import NoProgress, Trainer, load_checkpoint, load_weights, newest_checkpoint, read_metrics
from weft.training.metrics import EpochMetrics

MakeTrainer = Callable[..., Trainer]


def shapes(trainer: Trainer) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in trainer.model.named_parameters().items()}


def weights_in(run: Path, trainer: Trainer) -> dict[str, np.ndarray[Any, Any]]:
    return load_weights(run / "model.safetensors", shapes(trainer))


class Recorder(NoProgress):
    """Records the events of a run."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.epochs: list[EpochMetrics] = []
        self.notes: list[str] = []
        self.closed = 0

    def stepped(self, status: Any) -> None:
        self.steps.append(status.step)

    def epoch_ended(self, metrics: EpochMetrics) -> None:
        self.epochs.append(metrics)

    def note(self, line: str) -> None:
        self.notes.append(line)

    def close(self) -> None:
        self.closed += 1


def test_training_lowers_the_loss_and_returns_the_outcome(make_trainer: MakeTrainer) -> None:
    recorder = Recorder()
    result = make_trainer(run=None, progress=recorder, epochs=15, optimizer="adamw", lr=0.02).train()
    assert (result.outcome, result.step, result.epoch) == ("finished", 240, 15)
    assert result.best is not None
    assert result.train is not None
    first = recorder.epochs[0].valid_nats_per_token
    assert first is not None
    assert mean_nats(result.best) < first - 0.1
    assert recorder.steps == list(range(1, 241))
    assert recorder.closed == 1


def test_a_step_is_loss_backward_clip_and_update(make_trainer: MakeTrainer) -> None:
    trainer, by_hand = make_trainer(run=None, max_steps=1, clip=0.05), make_trainer(run=None)
    trainer.train()
    xs, ts = next(by_hand.blocks)
    by_hand.model.loss(xs, ts)
    by_hand.model.backward()
    gradients = {name: dense(gradient) for name, gradient in by_hand.model.named_gradients().items()}
    norm = math.sqrt(sum(float((gradient.astype("float64") ** 2).sum()) for gradient in gradients.values()))
    assert norm > 0.05
    after = trainer.model.named_parameters()
    for name, before in by_hand.model.named_parameters().items():
        np.testing.assert_allclose(after[name], before - 0.5 * gradients[name] * (0.05 / norm), rtol=1e-5, atol=1e-7)


def test_the_training_loss_of_an_epoch_is_total_nats_by_total_tokens(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(run=None, epochs=2)
    losses: list[Loss] = []
    original = trainer.model.loss

    def loss(xs: Any, ts: Any) -> Loss:
        ts = ts.copy()
        ts[0, : len(losses) % 4] = -1  # blocks of unequal size
        losses.append(original(xs, ts))
        return losses[-1]

    trainer.model.loss = loss  # type: ignore[method-assign]
    result = trainer.train()
    assert result.train is not None
    assert result.train.tokens == sum(loss.tokens for loss in losses[16:]) < 16 * 12
    assert result.train.nats == pytest.approx(sum(loss.nats for loss in losses[16:]), rel=1e-12)


def test_validation_does_not_change_training(make_trainer: MakeTrainer) -> None:
    with_validation, without = make_trainer(run=None), make_trainer(run=None, held_out=False)
    with_validation.train()
    without.train()
    for name, array in without.model.named_parameters().items():
        np.testing.assert_array_equal(array, with_validation.model.named_parameters()[name])
    assert with_validation.model.state is not None
    assert without.model.state is not None
    for state, other in zip(with_validation.model.state, without.model.state, strict=True):
        for part, other_part in zip(state, other, strict=True):
            np.testing.assert_array_equal(part, other_part)
    assert with_validation.model.rng.bit_generator.state == without.model.rng.bit_generator.state


def test_without_a_run_folder_nothing_is_written(
    make_trainer: MakeTrainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_trainer(run=None, save_every=1e-9).train()
    assert list(tmp_path.iterdir()) == []


def test_a_run_writes_weights_metrics_curve_and_one_checkpoint(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    trainer = make_trainer()
    result = trainer.train()
    run = tmp_path / "run"
    assert {path.name for path in run.iterdir()} == {"model.safetensors", "metrics.jsonl", "curve.png", "checkpoints"}
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["step-00000048"]
    assert [metrics.step for metrics in read_metrics(run / "metrics.jsonl")] == [16, 32, 48]
    assert result.train is not None
    assert read_metrics(run / "metrics.jsonl")[-1].train_nats_per_token == mean_nats(result.train)


def test_the_best_weights_are_saved_not_the_last(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    scores = iter([3.0, 2.0, 2.5, 2.2])
    at_best: dict[str, np.ndarray[Any, Any]] = {}

    def validate() -> Loss:
        score = next(scores)
        if score == 2.0:
            at_best.update({name: array.copy() for name, array in trainer.model.named_parameters().items()})
        return Loss(score, 1)

    trainer = make_trainer(validate=validate, epochs=4)
    assert trainer.train().best == Loss(2.0, 1)
    kept = weights_in(tmp_path / "run", trainer)
    for name, array in at_best.items():
        np.testing.assert_array_equal(kept[name], array)
        assert not np.array_equal(trainer.model.named_parameters()[name], array)


def test_without_held_out_text_the_weights_of_the_last_epoch_are_saved(
    make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    trainer = make_trainer(held_out=False, lr=30.0, clip=30.0, epochs=4)
    trainer.train()
    losses = [metrics.train_nats_per_token or 0.0 for metrics in read_metrics(tmp_path / "run" / "metrics.jsonl")]
    assert min(losses) < losses[-1]  # otherwise the test would prove nothing
    kept = weights_in(tmp_path / "run", trainer)
    for name, array in trainer.model.named_parameters().items():
        np.testing.assert_array_equal(kept[name], array)


def test_patience_stops_the_run_and_the_plateau_lowers_the_rate(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    scores = iter([3.0, 3.1, 2.0, 2.1, 2.0, 9.9])
    trainer = make_trainer(
        validate=lambda: Loss(next(scores), 1), epochs=9, patience=2, schedule="plateau", lr=1.0, save_every=1e-9
    )
    result = trainer.train()
    assert (result.outcome, result.epoch) == ("stopped early", 5)
    rates = [metrics.lr for metrics in read_metrics(tmp_path / "run" / "metrics.jsonl")]
    assert rates == [1.0, 1.0, 0.25, 0.25, 0.0625]


def test_a_run_that_ends_within_an_epoch_is_validated_and_can_be_loaded(
    make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    trainer = make_trainer(max_steps=24)
    result = trainer.train()
    assert (result.outcome, result.step, result.epoch) == ("finished", 24, 1)
    assert [metrics.epoch for metrics in read_metrics(tmp_path / "run" / "metrics.jsonl")] == [1, 1.5]
    assert newest_checkpoint(tmp_path / "run") == tmp_path / "run" / "checkpoints" / "step-00000024"
    short = make_trainer(run=tmp_path / "short", max_steps=5)
    assert short.train().best is not None
    kept = weights_in(tmp_path / "short", short)
    for name, array in short.model.named_parameters().items():
        np.testing.assert_array_equal(kept[name], array)


def test_a_checkpoint_within_the_first_epoch_saves_weights_to_load(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    class Stop(NoProgress):
        def stepped(self, status: Any) -> None:
            if status.step == 4:
                raise RuntimeError

    trainer = make_trainer(progress=Stop(), save_every=1e-9)
    with pytest.raises(RuntimeError):
        trainer.train()
    newest = newest_checkpoint(tmp_path / "run")
    assert newest is not None
    saved = load_checkpoint(newest, shapes(trainer)).weights
    for name, array in weights_in(tmp_path / "run", trainer).items():
        np.testing.assert_array_equal(array, saved[name])


@pytest.mark.parametrize("what", ["loss", "norm of the gradient"])
def test_divergence_is_detected_before_the_parameters_are_updated(
    make_trainer: MakeTrainer, tmp_path: Path, what: str
) -> None:
    trainer = make_trainer(save_every=1e-9)
    original_loss, original_backward, model = trainer.model.loss, trainer.model.backward, trainer.model
    before: dict[str, np.ndarray[Any, Any]] = {}

    def loss(xs: Any, ts: Any) -> Loss:
        before.update({name: array.copy() for name, array in model.named_parameters().items()})
        value = original_loss(xs, ts)
        return replace_nats(value) if what == "loss" and trainer.step == 20 else value

    def replace_nats(value: Loss) -> Loss:
        return Loss(math.nan, value.tokens)

    def backward() -> None:
        original_backward()
        if trainer.step == 20:
            dense(model.named_gradients()["output.b"])[0] = math.inf

    model.loss, model.backward = loss, backward  # type: ignore[method-assign]
    with pytest.raises(TrainingDivergedError, match=rf"{what} became (nan|inf) at step 21.*step-00000020.*--lr"):
        trainer.train()
    saved = load_checkpoint(tmp_path / "run" / "checkpoints" / "step-00000020", shapes(trainer)).weights
    for name, array in model.named_parameters().items():
        np.testing.assert_array_equal(array, before[name])
        np.testing.assert_array_equal(array, saved[name])


def test_an_exploding_loss_raises_one_line(make_trainer: MakeTrainer) -> None:
    with pytest.raises(TrainingDivergedError, match="no checkpoints are kept without a run folder"):
        make_trainer(run=None, lr=1e30, clip=1e30, epochs=50).train()


def test_parameters_that_are_not_finite_are_not_saved(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    trainer = make_trainer(save_every=1e-9)
    update = trainer.optimizer.update

    def overflow(gradients: Any, lr: float, factor: float = 1.0) -> None:
        update(gradients, lr, factor)
        if trainer.step == 20:
            trainer.model.named_parameters()["output.b"][0] = math.inf

    trainer.optimizer.update = overflow  # type: ignore[method-assign]
    with pytest.raises(TrainingDivergedError, match=r"norm of the parameters became inf at step 21.*step-00000020"):
        trainer.train()
    assert newest_checkpoint(tmp_path / "run") == tmp_path / "run" / "checkpoints" / "step-00000020"


def test_a_validation_loss_that_is_not_finite_is_divergence(make_trainer: MakeTrainer) -> None:
    with pytest.raises(TrainingDivergedError, match="validation loss became nan at step 16"):
        make_trainer(validate=lambda: Loss(math.nan, 1)).train()


def test_a_folder_that_cannot_be_written_is_named(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"could not write .*file/run"):
        make_trainer(run=tmp_path / "file" / "run").train()
    (tmp_path / "run" / "metrics.jsonl").mkdir(parents=True)
    with pytest.raises(InputError, match=r"could not write .*metrics\.jsonl"):
        make_trainer().train()


def test_a_full_disk_ends_the_run_with_the_previous_checkpoint_valid(
    make_trainer: MakeTrainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make_trainer(save_every=1e-9)
    save = trainer.writer.save

    def fill_the_disk_at_step_20(checkpoint: Any) -> None:
        if checkpoint.training.step == 20:
            monkeypatch.setattr("os.fsync", full)
        save(checkpoint)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(trainer.writer, "save", fill_the_disk_at_step_20)
    with pytest.raises(CheckpointError, match=r"step-00000020 \(No space left.*step-00000019 is still valid"):
        trainer.train()
    assert load_checkpoint(tmp_path / "run" / "checkpoints" / "step-00000019", shapes(trainer)).training.step == 19


def test_max_steps_limits_the_total_number_of_steps(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(run=None)
    assert trainer.total_steps == 48
    config = replace(trainer.config, max_steps=1000)
    assert Trainer(trainer.model, trainer.blocks, config).total_steps == 48

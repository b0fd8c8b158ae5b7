"""A run that is interrupted and resumed equals an uninterrupted one, bit for bit."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from weft.errors import CheckpointError
from weft.layers import Loss, OutputSettings, Regularization
from weft.training import NoProgress, Trainer, TrainingResult, newest_checkpoint, read_metrics

MakeTrainer = Callable[..., Trainer]
MID_EPOCH = 22
pytestmark = pytest.mark.usefixtures("no_drawing")


class SignalAt(NoProgress):
    """Sends this process a signal after a step."""

    def __init__(self, step: int, number: int = signal.SIGINT, times: int = 1) -> None:
        self.step, self.number, self.times = step, number, times
        self.notes: list[str] = []

    def stepped(self, status: Any) -> None:
        if status.step == self.step:
            for _ in range(self.times):
                signal.raise_signal(self.number)

    def note(self, line: str) -> None:
        self.notes.append(line)


class CrashAt(SignalAt):
    def stepped(self, status: Any) -> None:
        if status.step == self.step:
            raise RuntimeError("power cut")


def resumed(trainer: Trainer, run: Path) -> Trainer:
    checkpoint = newest_checkpoint(run)
    assert checkpoint is not None
    trainer.resume(checkpoint)
    return trainer


def everything(trainer: Trainer) -> dict[str, Any]:
    """Everything on which the next step depends, as bytes and JSON values."""
    assert trainer.model.state is not None
    arrays = {**trainer.model.named_parameters(), **trainer.optimizer.state()}
    arrays |= {f"average.{name}": array for name, array in trainer.averaging.arrays().items()}
    return {
        "arrays": {name: array.tobytes() for name, array in arrays.items()},
        "hidden": [[part.tobytes() for part in state] for state in trainer.model.state],
        "random": trainer.model.rng.bit_generator.state,
        "schedule": trainer.schedule.state(),
        "averaging": trainer.averaging.state(),
        "position": trainer.blocks.position,
        "epoch_loss": trainer.epoch_loss,
        "epochs_without_improvement": trainer.epochs_without_improvement,
    }


def metrics_of(run: Path) -> list[dict[str, Any]]:
    timed = ("seconds", "tokens_per_second")
    return [
        {name: value for name, value in asdict(metrics).items() if name not in timed}
        for metrics in read_metrics(run / "metrics.jsonl")
    ]


@pytest.mark.parametrize("schedule", ["constant", "plateau", "cosine"])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adamw"])
def test_interrupted_within_an_epoch_and_resumed_equals_uninterrupted(
    make_trainer: MakeTrainer, tmp_path: Path, optimizer: str, schedule: str
) -> None:
    settings = {"optimizer": optimizer, "schedule": schedule}
    straight = make_trainer(run=tmp_path / "straight", **settings)
    expected = straight.train()

    run = tmp_path / "cut"
    stopped = make_trainer(run=run, progress=SignalAt(MID_EPOCH), **settings).train()
    assert (stopped.outcome, stopped.step, stopped.epoch) == ("interrupted", MID_EPOCH, 1)
    successor = resumed(make_trainer(run=run, model_seed=99, **settings), run)
    assert successor.train() == expected
    assert everything(successor) == everything(straight)
    assert metrics_of(run) == metrics_of(tmp_path / "straight")
    best, expected_best = (folder / "model.safetensors" for folder in (run, tmp_path / "straight"))
    assert best.read_bytes() == expected_best.read_bytes()


REGULARIZED = Regularization(
    dropout_in=0.2,
    dropout_locked=True,
    embedding_dropout=0.2,
    weight_dropout=0.3,
    activation_penalty=2.0,
    temporal_penalty=1.0,
)


OPTIONS: dict[str, dict[str, Any]] = {
    "exponential average": {"ema": 0.9},
    "triggered average, begun before the last cut": {"average_after": 1},
    "triggered average, begun after it": {"average_after": 2},
    "random block length": {"random_bptt": True, "bptt": 8, "epochs": 5},
    "accumulated gradients": {"accumulate": 3, "epochs": 9},
    "held cosine": {"schedule": "cosine", "hold": 0.5, "final_lr": 0.1},
    "betas": {"optimizer": "adamw", "beta1": 0.5, "beta2": 0.8, "lr": 0.01},
    "decay of sgd": {"weight_decay": 0.1},
    "sampled output": {"model_settings": {"output": OutputSettings(output="sampled", samples=4)}, "ema": 0.9},
    "sampled and tied": {
        "model_settings": {"output": OutputSettings(output="sampled", samples=4), "tied": True},
        "accumulate": 2,
        "epochs": 8,
    },
    "all at once": {
        "optimizer": "adamw",
        "lr": 0.01,
        "ema": 0.8,
        "random_bptt": True,
        "bptt": 5,
        "accumulate": 2,
        "epochs": 8,
        "schedule": "cosine",
        "hold": 0.3,
        "model_settings": {"layers": 2, "tied": True, "regularization": REGULARIZED},
    },
}


@pytest.mark.parametrize("option", OPTIONS)
def test_a_resumed_run_with_an_option_equals_an_uninterrupted_one(
    make_trainer: MakeTrainer, tmp_path: Path, option: str
) -> None:
    settings = {"epochs": 6, **OPTIONS[option]}
    # Averaging begins with the third epoch, at step 48, or with the fourth, and gives the best validation loss.
    scores = {1: 2.0, 2: 3.0, 3: 2.5, 4: 2.2, 5: 2.1, 6: 1.9, 7: 2.4, 8: 1.8, 9: 2.0}

    def made(run: Path, **more: Any) -> Trainer:
        trainer: Trainer = make_trainer(run=run, validate=lambda: Loss(scores[trainer.epoch], 1), **settings, **more)
        return trainer

    straight = made(tmp_path / "straight")
    expected = straight.train()
    if option.startswith("triggered"):
        assert straight.averaging.arrays()
    run = tmp_path / "cut"
    for step in (MID_EPOCH, 33, 50):
        trainer = made(run, model_seed=1 if step == MID_EPOCH else 99, progress=SignalAt(step))
        if step != MID_EPOCH:
            resumed(trainer, run)
        result = trainer.train()
        assert (result.outcome == "interrupted") == (step < straight.total_steps)
    assert bool(trainer.averaging.arrays()) == ("ema" in settings or settings.get("average_after") == 1)
    successor = resumed(made(run, model_seed=99), run)
    assert successor.train() == expected
    assert everything(successor) == everything(straight)
    assert metrics_of(run) == metrics_of(tmp_path / "straight")
    best, expected_best = (folder / "model.safetensors" for folder in (run, tmp_path / "straight"))
    assert best.read_bytes() == expected_best.read_bytes()


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("locked", [False, True])
def test_a_resumed_run_with_every_regularization_equals_an_uninterrupted_one(
    make_trainer: MakeTrainer, tmp_path: Path, layer_norm: bool, locked: bool
) -> None:
    regularization = replace(REGULARIZED, dropout_locked=locked)
    shape = {"layers": 3, "tied": True, "residual": True, "layer_norm": layer_norm, "regularization": regularization}
    straight = make_trainer(run=None, model_settings=shape)
    expected = straight.train()
    run = tmp_path / "cut"
    make_trainer(run=run, model_settings=shape, progress=SignalAt(MID_EPOCH)).train()
    successor = resumed(make_trainer(run=run, model_settings=shape, model_seed=99), run)
    assert successor.train() == expected
    assert everything(successor) == everything(straight)


@pytest.mark.parametrize("crash_at", [16, 17, 31, 32, 40])
def test_a_crash_anywhere_loses_only_the_steps_since_the_checkpoint(
    make_trainer: MakeTrainer, tmp_path: Path, crash_at: int
) -> None:
    straight = make_trainer(run=tmp_path / "straight", schedule="plateau", patience=2)
    expected = straight.train()
    run = tmp_path / "cut"
    settings = {"run": run, "schedule": "plateau", "patience": 2, "save_every": 1e-9}
    with pytest.raises(RuntimeError, match="power cut"):
        make_trainer(progress=CrashAt(crash_at), **settings).train()
    successor = resumed(make_trainer(**settings), run)
    assert successor.step == crash_at - 1
    assert successor.train() == expected
    assert everything(successor) == everything(straight)


def test_a_crash_between_metrics_and_checkpoint_does_not_double_an_epoch(
    make_trainer: MakeTrainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    trainer = make_trainer(save_every=1e-9)
    save = trainer.writer.save

    def save_until_the_second_epoch_ends(checkpoint: Any) -> None:
        if checkpoint.training.step == 32:
            raise RuntimeError("power cut")
        save(checkpoint)

    monkeypatch.setattr(trainer.writer, "save", save_until_the_second_epoch_ends)
    with pytest.raises(RuntimeError):
        trainer.train()
    assert [line["step"] for line in metrics_of(run)] == [16, 32]
    resumed(make_trainer(), run).train()
    assert [line["step"] for line in metrics_of(run)] == [16, 32, 48]


def test_resuming_twice_equals_once(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    straight = make_trainer(run=None, optimizer="adamw")
    straight.train()
    run = tmp_path / "run"
    make_trainer(progress=SignalAt(5), optimizer="adamw").train()
    resumed(make_trainer(progress=SignalAt(16), optimizer="adamw"), run).train()
    last = resumed(make_trainer(optimizer="adamw"), run)
    last.train()
    assert everything(last) == everything(straight)


def test_sigterm_stops_like_ctrl_c(make_trainer: MakeTrainer) -> None:
    result = make_trainer(progress=SignalAt(3, signal.SIGTERM)).train()
    assert (result.outcome, result.step) == ("interrupted", 3)


def test_a_second_ctrl_c_stops_at_once_and_the_checkpoint_before_is_valid(
    make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        make_trainer(progress=SignalAt(9, times=2), save_every=1e-9).train()
    assert resumed(make_trainer(), tmp_path / "run").step == 8


@pytest.mark.parametrize("step", [3, 48])
def test_signal_handlers_are_restored(make_trainer: MakeTrainer, step: int) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    make_trainer(run=None, progress=SignalAt(step)).train()
    with pytest.raises(RuntimeError):
        make_trainer(run=None, progress=CrashAt(step)).train()
    assert {number: signal.getsignal(number) for number in before} == before


def test_outside_the_main_thread_training_runs_without_signal_handlers(make_trainer: MakeTrainer) -> None:
    results: list[TrainingResult] = []
    trainer = make_trainer(run=None)
    thread = threading.Thread(target=lambda: results.append(trainer.train()))
    thread.start()
    thread.join()
    assert [result.outcome for result in results] == ["finished"]


def test_resuming_a_finished_run_takes_no_step_and_reports_it(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    expected = make_trainer().train()
    recorder = SignalAt(-1)
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")}
    assert resumed(make_trainer(progress=recorder), tmp_path / "run").train() == expected
    assert recorder.notes == ["nothing to do: the run finished at step 48 (epoch 3)"]
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")} == files


def test_a_finished_run_resumed_with_more_epochs_equals_a_longer_run(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    straight = make_trainer(run=None, epochs=3, optimizer="momentum", schedule="plateau")
    straight.train()
    make_trainer(epochs=2, optimizer="momentum", schedule="plateau").train()
    longer = resumed(make_trainer(epochs=3, optimizer="momentum", schedule="plateau"), tmp_path / "run")
    assert longer.train().epoch == 3
    assert everything(longer) == everything(straight)


def test_resuming_with_a_longer_cosine_reports_the_new_curve(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    make_trainer(epochs=2, schedule="cosine").train()
    recorder = SignalAt(-1)
    longer = resumed(make_trainer(epochs=3, schedule="cosine", progress=recorder), tmp_path / "run")
    assert len(recorder.notes) == 1
    assert "was to have 32 steps and now has 48" in recorder.notes[0]
    assert longer.schedule.lr(32) == make_trainer(epochs=3, schedule="cosine").schedule.lr(32)
    assert longer.train().epoch == 3


OTHER_RUNS: dict[str, tuple[dict[str, Any], str]] = {
    "optimizer": ({"optimizer": "adamw"}, "optimizer was sgd and would now be adamw"),
    "schedule": ({"schedule": "cosine"}, "schedule was constant and would now be cosine"),
    "averaging": ({"ema": 0.9}, "averaging of the weights was none and would now be exponential"),
    "accumulated": ({"accumulate": 2}, "blocks a step was 1 and would now be 2"),
    "bptt": ({"bptt": 8}, "blocks in an epoch was 16 and would now be 8"),
    "batch size": ({"batch_size": 4, "bptt": 3}, r"hidden state was \(3, 5\).* would now be \(4, 5\)"),
}


@pytest.mark.parametrize("other", OTHER_RUNS)
def test_a_checkpoint_of_another_run_is_refused(make_trainer: MakeTrainer, tmp_path: Path, other: str) -> None:
    make_trainer(epochs=1).train()
    settings, words = OTHER_RUNS[other]
    with pytest.raises(CheckpointError, match=words):
        resumed(make_trainer(**settings), tmp_path / "run")


def test_a_tampered_random_state_is_refused(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    make_trainer(epochs=1).train()
    checkpoint = newest_checkpoint(tmp_path / "run")
    assert checkpoint is not None
    state = json.loads((checkpoint / "training.json").read_text("utf-8"))
    state["random_state"]["state"] = {"state": "one"}
    del state["digest"]
    (checkpoint / "training.json").write_text(json.dumps(state), "utf-8")
    with pytest.raises(CheckpointError, match="random generator state"):
        make_trainer().resume(checkpoint)


def test_a_checkpoint_of_a_version_without_averages_can_be_resumed(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    straight = make_trainer(run=None)
    straight.train()
    make_trainer(progress=SignalAt(MID_EPOCH)).train()
    checkpoint = newest_checkpoint(tmp_path / "run")
    assert checkpoint is not None
    state = json.loads((checkpoint / "training.json").read_text("utf-8"))
    for name in ("accumulate", "averaging", "averaging_state", "digest"):
        del state[name]
    (checkpoint / "training.json").write_text(json.dumps(state), "utf-8")
    successor = resumed(make_trainer(), tmp_path / "run")
    successor.train()
    assert everything(successor) == everything(straight)


def test_a_lower_learning_rate_takes_effect_on_resuming(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    make_trainer(epochs=1, schedule="plateau", lr=4.0).train()
    lowered = resumed(make_trainer(schedule="plateau", lr=1.0), tmp_path / "run")
    assert lowered.schedule.lr(lowered.step) == 1.0
    assert not np.isnan(lowered.model.named_parameters()["output.b"]).any()

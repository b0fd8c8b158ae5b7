"""Callbacks learn of every step, validation, checkpoint and end of a training, and can stop it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import weft
from helpers.command_line import SIZES, write_text
from weft.training import (
    Callback,
    EpochMetrics,
    Started,
    Status,
    StopTraining,
    TrainingResult,
    newest_checkpoint,
    read_metrics,
)  # fmt: skip


class Recorder(Callback):
    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []

    def started(self, start: Started) -> None:
        self.events.append(("started", start))

    def stepped(self, status: Status) -> None:
        self.events.append(("stepped", status))

    def validated(self, metrics: EpochMetrics) -> None:
        self.events.append(("validated", metrics))

    def saved(self, checkpoint: Path, step: int) -> None:
        assert (checkpoint / "training.json").exists()
        self.events.append(("saved", step))

    def ended(self, result: TrainingResult | None) -> None:
        self.events.append(("ended", result))

    def named(self, name: str) -> list[Any]:
        return [value for event, value in self.events if event == name]


@pytest.fixture
def text(tmp_path: Path) -> Path:
    return write_text(tmp_path / "my.txt")


def test_every_event_is_reported_in_order(text: Path, tmp_path: Path) -> None:
    recorder, run = Recorder(), tmp_path / "run"
    lm = weft.train(text, out=run, epochs=2, tokenizer="word", callbacks=[recorder], **SIZES)
    (start,), steps, (result,) = recorder.named("started"), recorder.named("stepped"), recorder.named("ended")
    assert start.settings == lm.config.by_name()
    assert (start.run, start.step, start.total_steps) == (run, 0, len(steps))
    assert start.parameters == sum(array.size for array in lm.model.params)
    assert [status.step for status in steps] == list(range(1, len(steps) + 1))
    assert recorder.named("validated") == read_metrics(run / "metrics.jsonl")
    assert recorder.named("saved")[-1] == len(steps)
    assert result.outcome == "finished"
    assert [event for event, _ in recorder.events][-3:] == ["validated", "saved", "ended"]


def test_a_callback_stops_the_training_in_order_and_it_can_be_resumed(text: Path, tmp_path: Path) -> None:
    class StopAtFive(Recorder):
        def stepped(self, status: Status) -> None:
            super().stepped(status)
            if status.step == 5:
                raise StopTraining

    run, recorder, after = tmp_path / "run", StopAtFive(), Recorder()
    weft.train(text, out=run, epochs=1, tokenizer="word", callbacks=[recorder, after], **SIZES)
    assert newest_checkpoint(run) == run / "checkpoints" / "step-00000005"
    assert len(after.named("stepped")) == 5
    assert recorder.named("ended")[0].outcome == "stopped by a callback"
    again = Recorder()
    resumed = weft.train(out=run, resume=True, callbacks=[again])
    assert again.named("started")[0].step == 5
    whole = weft.train(text, out=tmp_path / "whole", epochs=1, tokenizer="word", **SIZES)
    assert resumed.perplexity("the cat sat") == whole.perplexity("the cat sat")


def test_an_error_of_a_callback_ends_the_training_with_a_valid_checkpoint(text: Path, tmp_path: Path) -> None:
    class Broken(Recorder):
        def validated(self, metrics: EpochMetrics) -> None:
            raise RuntimeError("the tracker is unreachable")

    recorder = Broken()
    with pytest.raises(RuntimeError, match="unreachable"):
        weft.train(
            text, out=tmp_path / "run", epochs=1, tokenizer="word", save_every=1e-4, callbacks=[recorder], **SIZES
        )
    assert recorder.named("ended") == [None]
    assert newest_checkpoint(tmp_path / "run") is not None


def test_without_a_run_folder_nothing_of_a_checkpoint_is_reported(text: Path) -> None:
    recorder = Recorder()
    weft.train(text, epochs=1, tokenizer="word", callbacks=[recorder], **SIZES)
    assert recorder.named("ended")[0].outcome == "finished"


def test_tensorboard_receives_the_loss(text: Path, tmp_path: Path) -> None:
    tensorboard = pytest.importorskip("torch.utils.tensorboard", exc_type=ImportError)
    events_of = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator").EventAccumulator

    class ToTensorBoard(Callback):
        def stepped(self, status: Status) -> None:
            writer.add_scalar("loss", status.loss.nats / status.loss.tokens, status.step)

    with tensorboard.SummaryWriter(str(tmp_path / "board")) as writer:
        weft.train(text, epochs=1, tokenizer="word", callbacks=[ToTensorBoard()], **SIZES)
    events = events_of(str(tmp_path / "board"))
    events.Reload()
    losses = events.Scalars("loss")
    assert [event.step for event in losses] == list(range(1, len(losses) + 1))
    assert all(0 < event.value < 10 for event in losses)

"""The metrics file and the learning curve."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import pytest

from weft.errors import CheckpointError
from weft.layers import Loss
from weft.training.metrics import EpochMetrics, append_metrics, drop_metrics_after, read_metrics
from weft.training.plots import draw_curve


def epoch(number: int, valid: Loss | None = None) -> EpochMetrics:
    return EpochMetrics.of(number * 10, 10, Loss(30.0 / number, 10), valid, lr=0.5, seconds=2.0)


def test_metrics_are_per_token_and_per_second() -> None:
    metrics = EpochMetrics.of(25, 10, Loss(30.0, 10), Loss(8.0, 4), lr=0.5, seconds=2.0)
    assert metrics == EpochMetrics(
        epoch=2.5,
        step=25,
        train_nats_per_token=3.0,
        train_perplexity=math.exp(3.0),
        valid_nats_per_token=2.0,
        valid_perplexity=math.exp(2.0),
        lr=0.5,
        tokens_per_second=5.0,
        seconds=2.0,
    )


def test_every_line_is_one_json_object_and_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    written = [epoch(1), epoch(2, Loss(8.0, 4))]
    for metrics in written:
        append_metrics(path, metrics)
    assert read_metrics(path) == written
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [line["step"] for line in lines] == [10, 20]
    assert lines[0]["epoch"] == 1
    assert lines[0]["valid_perplexity"] is None


def test_a_number_that_is_not_finite_is_null(tmp_path: Path) -> None:
    append_metrics(tmp_path / "m", EpochMetrics.of(10, 10, Loss(1e6, 10), None, lr=0.5, seconds=2.0))
    assert json.loads((tmp_path / "m").read_text("utf-8"))["train_perplexity"] is None
    assert read_metrics(tmp_path / "m")[0].train_perplexity is None


def test_a_missing_file_has_no_epochs(tmp_path: Path) -> None:
    assert read_metrics(tmp_path / "metrics.jsonl") == []
    drop_metrics_after(tmp_path / "metrics.jsonl", 0)
    assert not (tmp_path / "metrics.jsonl").exists()


def test_a_line_cut_off_by_a_crash_is_ignored_and_removed_on_resuming(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    for number in (1, 2, 3):
        append_metrics(path, epoch(number))
    path.write_bytes(path.read_bytes()[:-30])
    assert read_metrics(path) == [epoch(1), epoch(2)]
    drop_metrics_after(path, 19)
    append_metrics(path, epoch(2))
    assert read_metrics(path) == [epoch(1), epoch(2)]


@pytest.mark.parametrize("line", ["{", "[]", "{}", "null", "\x00\ufffd"])
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "metrics.jsonl"
    append_metrics(path, epoch(1))
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    append_metrics(path, epoch(2))
    with pytest.raises(CheckpointError, match=r"metrics\.jsonl, line 2"):
        read_metrics(path)


@pytest.mark.parametrize("epochs", [1, 5])
@pytest.mark.parametrize("valid", [None, Loss(8.0, 4)])
def test_the_curve_is_plotted_for_any_number_of_epochs(tmp_path: Path, epochs: int, valid: Loss | None) -> None:
    pyplot_before = "matplotlib.pyplot" in sys.modules
    path = tmp_path / "curve.png"
    path.write_bytes(b"the old one")
    draw_curve(path, [epoch(number, valid) for number in range(1, epochs + 1)])
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert [file.name for file in tmp_path.iterdir()] == ["curve.png"]
    assert ("matplotlib.pyplot" in sys.modules) == pyplot_before  # the user's choice of a backend is not affected


def test_without_any_perplexity_no_curve_is_written(tmp_path: Path) -> None:
    draw_curve(tmp_path / "curve.png", [])
    assert not (tmp_path / "curve.png").exists()

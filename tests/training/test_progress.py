"""Progress as plain lines and as a live display on a terminal."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import pytest
from rich.console import Console

from weft.layers import Loss
from weft.training.live_progress import LiveProgress
from weft.training.metrics import EpochMetrics
from weft.training.progress import PlainProgress, Status, duration_text, perplexity_text

STATUS = Status(
    step=1200,
    total_steps=9290,
    epoch=2,
    epochs=10,
    loss=Loss(500.0, 100),
    lr=0.25,
    tokens_per_second=12345.6,
    seconds_left=3723.0,
)
EPOCH = EpochMetrics.of(1858, 929, Loss(500.0, 100), Loss(10.0, 4), lr=0.25, seconds=61.0)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_plain_lines_are_printed_every_ten_seconds_and_at_the_end_of_an_epoch() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = PlainProgress(stream, clock)
    for clock.now in (1001.0, 1009.9, 1010.0, 1010.1, 1019.0):
        progress.stepped(STATUS)
    progress.epoch_ended(EPOCH)
    for clock.now in (1021.0, 1028.9, 1029.0):
        progress.stepped(STATUS)
    progress.close()
    step_line = (
        "epoch 2/10, step 1,200/9,290: 5.000 nats/token, perplexity 148.4, lr 0.25, 12,346 tokens/s, 1:02:03 left"
    )
    epoch_line = "epoch 2 done: perplexity training 148.4, validation 12.2, lr 0.25, 2 tokens/s, 1:01"
    assert stream.getvalue().splitlines() == [step_line, epoch_line, step_line]


@pytest.mark.parametrize("live", [False, True])
def test_short_epochs_get_one_line_a_second_and_one_for_the_last(live: bool) -> None:
    stream, clock = io.StringIO(), Clock()
    console = Console(file=stream, force_terminal=True, width=80, _environ={"TERM": "xterm"})
    progress = LiveProgress(console, clock) if live else PlainProgress(stream, clock)
    for number in range(1, 26):
        clock.now += 0.125
        progress.epoch_ended(replace(EPOCH, epoch=number))
    before_the_end = stream.getvalue()
    progress.close()
    printed = [int(line.split()[1]) for line in stream.getvalue().splitlines() if line.startswith("epoch ")]
    assert printed == [1, 9, 17, 25]
    assert "epoch 24" not in before_the_end


def test_an_epoch_is_printed_once() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = PlainProgress(stream, clock)
    for clock.now in (1001.0, 1001.5):
        progress.epoch_ended(EPOCH)
    progress.close()
    progress.close()
    assert len(stream.getvalue().splitlines()) == 2


def test_the_live_display_shows_all_numbers_and_leaves_the_cursor_visible() -> None:
    stream = io.StringIO()
    progress = LiveProgress(Console(file=stream, force_terminal=True, width=80, _environ={"TERM": "xterm"}), Clock())
    progress.stepped(STATUS)
    progress.epoch_ended(EPOCH)
    progress.note("[not] markup")
    progress.close()
    shown = stream.getvalue()
    for part in ("2/10", "5.000 nats/token", "perplexity 148.4", "lr 0.25", "12,346 tokens/s", "1:02:03 left"):
        assert part in shown
    assert "validation 12.2" in shown
    assert "[not] markup" in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")


def test_a_live_display_can_be_closed_before_it_starts() -> None:
    stream = io.StringIO()
    LiveProgress(Console(file=stream, force_terminal=True)).close()
    assert "nats" not in stream.getvalue()


@pytest.mark.parametrize(
    ("perplexity", "text"),
    [(1.0, "1.000"), (9.8765, "9.877"), (418.04, "418.0"), (12345.6, "12,345.6"), (1.5e7, "1.5e+07"), (None, "inf")],
)
def test_perplexities_are_formatted_in_at_most_nine_characters(perplexity: float | None, text: str) -> None:
    assert perplexity_text(perplexity) == text
    assert perplexity_text(math.inf) == "inf"


def test_durations_are_formatted_as_hours_minutes_and_seconds() -> None:
    assert [duration_text(seconds) for seconds in (0, 59.6, 3599.4, 3600, 90061)] == [
        "0:00",
        "1:00",
        "59:59",
        "1:00:00",
        "25:01:01",
    ]

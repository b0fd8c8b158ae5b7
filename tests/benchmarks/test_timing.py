"""Timing of the benchmarks, with a simulated clock that only steps advance."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext

import pytest

from benchmarks.contender import Contender, Unavailable, counterpart
from benchmarks.row import Row, ratio_of, ratios, timed_row
from benchmarks.tables import lines
from benchmarks.timing import MIN_ROUNDS, SETTLE_SECONDS, Comparison, call_times, compare, interleaved


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def step_of(self, seconds: float) -> Callable[[], None]:
        def step() -> None:
            self.now += seconds

        return step


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "perf_counter", lambda: clock.now)
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    return clock


def test_each_contender_has_a_turn_in_each_round(clock: Clock) -> None:
    order: list[str] = []

    def named(name: str) -> Callable[[], None]:
        def step() -> None:
            clock.now += 10.0
            order.append(name)

        return step

    times = interleaved({name: (named(name), nullcontext) for name in "abc"}, seconds=1)
    assert "".join(order) == "abc" * (1 + MIN_ROUNDS)
    assert times == {name: [10.0] * MIN_ROUNDS for name in "abc"}


def test_no_time_is_spent_without_contenders(clock: Clock) -> None:
    assert interleaved({}, seconds=1) == {}


def test_remaining_time_is_used_for_more_rounds(clock: Clock) -> None:
    times = interleaved({name: (clock.step_of(1.0), nullcontext) for name in "ab"}, seconds=100)
    assert sum(map(sum, times.values())) == pytest.approx(100, abs=25)


def test_calls_that_start_early_in_a_turn_are_discarded(clock: Clock) -> None:
    seconds = iter([9 * SETTLE_SECONDS / 10] * 2 + [SETTLE_SECONDS] * 100)

    def step() -> None:
        clock.now += next(seconds)

    assert call_times(step, 10 * SETTLE_SECONDS) == pytest.approx([SETTLE_SECONDS] * 9)


def test_a_single_call_counts_even_if_it_is_early(clock: Clock) -> None:
    assert call_times(clock.step_of(5.0), 1.0) == [5.0]


def test_an_unavailable_contender_is_listed_with_the_reason(clock: Clock) -> None:
    def refuse(_case: str) -> Callable[[], None]:
        raise Unavailable("no compiler")

    both = [Contender[str]("fine", lambda _case: clock.step_of(2.0)), Contender[str]("not", refuse)]
    result = compare("case", both, seconds=1)
    assert result.seconds == {"fine": 2.0}
    assert result.missing == {"not": "no compiler"}


def test_a_ratio_is_the_peers_time_over_wefts_in_the_same_precision() -> None:
    found = ratios({"weft fused": 2.0, "weft bf16": 1.0, "PyTorch f32": 3.0, "PyTorch bf16": 4.0, "ONNX int8": 1.0})
    assert found["weft fused"] == {"PyTorch f32": 1.5, "PyTorch bf16": 2.0, "ONNX int8": 0.5}
    assert ratio_of("PyTorch f32", found) == 1.5
    assert ratio_of("PyTorch bf16", found) == 4.0
    assert ratio_of("ONNX int8", found) == 0.5, "without weft in int8, the peer is compared with float32"
    assert ratio_of("weft bf16", found) is None
    assert counterpart("ONNX int8") == "weft int8"


def test_figures_are_converted_to_their_unit() -> None:
    result = Comparison({"weft fused": 0.5, "PyTorch f32": 1.0}, {}, {})
    assert timed_row("a", "milliseconds_per_step", 10, result).figures == {"weft fused": 500, "PyTorch f32": 1000}
    assert timed_row("a", "microseconds_per_token", 10, result).figures["weft fused"] == pytest.approx(50_000)
    row = timed_row("a", "tokens_per_second", 10, result)
    assert row.figures == {"weft fused": 20, "PyTorch f32": 10}
    assert row.as_json()["ratio_peer_to_weft"] == {"weft fused": {"PyTorch f32": 2.0}}


def test_a_row_is_printed_with_ratios_notes_and_reasons() -> None:
    facts = {"products_share_of_sgemm_rate": {"weft fused": 0.8}}
    row = Row(
        "a case",
        "seconds",
        {"weft fused": 2.0, "other": 3.0},
        ratios({"weft fused": 2.0, "other": 3.0}),
        {"third": "no"},
        facts,
    )
    case, fused, other, third = lines(row)
    assert case.strip() == "a case"
    assert fused.split() == ["weft", "fused", "2.00", "80%", "of", "sgemm"]
    assert other.split() == ["other", "3.00", "1.50x"]
    assert third.split() == ["third", "-", "no"]

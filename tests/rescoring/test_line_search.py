"""The errors along one weight as intervals, compared with evaluation at single points."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.rescoring.line_search import Interval, best_interval, error_intervals, upper_envelope

# Quarters are exact in floating point, so ties are exact.
LINE = st.tuples(st.integers(-20, 20).map(lambda n: n / 4), st.integers(-6, 6).map(float), st.integers(0, 5))
LISTS = st.lists(st.lists(LINE, min_size=1, max_size=6), min_size=1, max_size=5)
Lines = list[tuple[float, float, int]]


def surface(lists: list[Lines], lowest: float = -math.inf) -> list[Interval]:
    envelopes = (
        (upper_envelope([a for a, _b, _e in lines], [b for _a, b, _e in lines]), [e for _a, _b, e in lines])
        for lines in lists
    )
    return error_intervals(envelopes, lowest)


def errors_at(lists: list[Lines], x: float) -> int:
    return sum(lines[int(np.argmax([a + x * b for a, b, _e in lines]))][2] for lines in lists)


@given(LISTS)
def test_every_interval_has_the_errors_that_are_counted_within_it(lists: list[Lines]) -> None:
    found = surface(lists)
    assert [interval.start for interval in found] == [-math.inf, *(interval.end for interval in found[:-1])]
    assert found[-1].end == math.inf
    for interval in found:
        assert errors_at(lists, interval.middle) == interval.errors


@given(LISTS, st.integers(-400, 400).map(lambda n: n / 16 + 1 / 77))
def test_no_point_has_fewer_errors_than_the_best_interval(lists: list[Lines], x: float) -> None:
    assert best_interval(surface(lists)).errors <= errors_at(lists, x)
    if x > 0:
        assert best_interval(surface(lists, 0.0)).errors <= errors_at(lists, x)


@given(LISTS)
def test_a_lower_bound_cuts_the_intervals(lists: list[Lines]) -> None:
    cut = surface(lists, 0.0)
    assert cut[0].start == 0
    for interval in cut:
        assert interval.middle > 0
        assert errors_at(lists, interval.middle) == interval.errors


def test_an_envelope_by_hand() -> None:
    # 0 is best up to x = 1, x - 1 up to x = 3, then 2x - 4; the line 0.5 x - 1 is never highest.
    assert upper_envelope([0, -1, -4, -1], [0, 1, 2, 0.5]) == [(-math.inf, 0), (1.0, 1), (3.0, 2)]


def test_of_three_lines_through_one_point_the_middle_one_is_left_out() -> None:
    assert upper_envelope([0, 0, 0], [-1, 0, 1]) == [(-math.inf, 0), (0.0, 2)]


def test_of_equal_lines_the_first_is_taken() -> None:
    assert upper_envelope([1, 2, 2], [3, 3, 3]) == [(-math.inf, 1)]


@pytest.mark.parametrize(
    ("interval", "middle", "width"),
    [
        (Interval(1, 4, 0), 2.5, 3),
        (Interval(8, math.inf, 0), 16, 16),
        (Interval(0, math.inf, 0), 1, 2),
        (Interval(-math.inf, -0.5, 0), -1.5, 2),
        (Interval(-math.inf, math.inf, 0), 0, math.inf),
    ],
)
def test_middle_and_width(interval: Interval, middle: float, width: float) -> None:
    assert (interval.middle, interval.width) == (middle, width)


def test_the_widest_interval_with_the_fewest_errors_is_best() -> None:
    found = [Interval(0, 5, 3), Interval(5, 6, 1), Interval(6, 7, 2), Interval(7, 9, 1), Interval(9, 90, 2)]
    assert best_interval(found) == Interval(7, 9, 1)

"""Decimal numbers: the grammar, and agreement of one at a time with many."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.damage import NOT_NUMBERS
from weft.text.decimals import decimal, decimals


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-1", -1),
        ("+.5", 0.5),
        ("1.", 1),
        ("-1.25e-2", -0.0125),
        ("2E+1", 20),
        ("1e400", math.inf),
        ("-0", 0),
    ],
)
def test_decimal_numbers(text: str, value: float) -> None:
    assert decimal(text) == value
    assert decimals([text.encode()]).tolist() == [value]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1",
        "1\x0b",
        "1\n",
        "1_0",
        "nan",
        "-nan",
        "inf",
        "Infinity",
        "0x10",
        "１",
        "-",
        ".",
        "e5",
        "1e",
        "1e1.5",
        "--1",
    ],
)
def test_what_is_not_a_decimal_number(text: str) -> None:
    assert math.isnan(decimal(text))
    assert [math.isnan(value) for value in decimals([b"1", text.encode(), b"2"])] == [False, True, False]


def test_names_of_numbers_in_letters_of_any_case() -> None:
    assert decimals([b"-Inf", b"2", b"-INF"], {b"-inf": -99.0}).tolist() == [-99, 2, -99]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False).map(repr).map(str.encode)))
def test_numbers_are_read_as_they_were_written(texts: list[bytes]) -> None:
    assert decimals(texts).tolist() == list(map(float, texts))


@given(st.lists(st.sampled_from(NOT_NUMBERS) | st.text("0123456789+-.eE_ ", max_size=4).map(str.encode)))
def test_many_numbers_are_read_as_one_at_a_time(texts: list[bytes]) -> None:
    expected = [decimal(text.decode()) for text in texts]
    assert decimals(texts).tolist() == pytest.approx(expected, nan_ok=True)

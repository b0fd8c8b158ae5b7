"""Errors can be caught as built-in exceptions, misspelt names get a hint, and quotes of an input are short."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.errors import (
    CheckpointError,
    InputError,
    MissingFileError,
    TrainingDivergedError,
    WeftError,
    nearest,
    quoted,
    quoted_names,
)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (InputError, ValueError),
        (CheckpointError, ValueError),
        (TrainingDivergedError, ValueError),
        (MissingFileError, FileNotFoundError),
    ],
)
def test_every_error_is_a_weft_error_and_a_built_in_one(error: type[Exception], builtin: type[Exception]) -> None:
    assert issubclass(error, WeftError)
    assert issubclass(error, builtin)
    assert str(error("one line")) == "one line"


@pytest.mark.parametrize("name", ["hiden_size", "hidden-size", "hidden_sise"])
def test_a_misspelt_name_gets_the_most_similar_one(name: str) -> None:
    assert nearest(name, ["layers", "hidden_size", "embedding_size"]) == ' (did you mean "hidden_size"?)'


def test_without_a_similar_name_there_is_no_hint() -> None:
    assert nearest("xyzzy", ["layers", "hidden_size"]) == ""
    assert nearest("x", []) == ""


def test_the_known_names_may_come_from_an_iterator() -> None:
    assert nearest("layer", iter(["layers"])) == ' (did you mean "layers"?)'


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("x", "'x'"),
        ("it's", '"it\'s"'),
        ("\x1b[31m\n", r"'\x1b[31m\n'"),
        ("\u202etxt.exe\u2028", r"'\u202etxt.exe\u2028'"),
        ("好" * 80, f"'{'好' * 80}'"),
        ("好" * 81, f"'{'好' * 80}…'"),
        ("\0" * 100_000, "'" + r"\x00" * 20 + "…'"),
        ("café".encode(), "'café'"),
        (b"caf\xe9", r"'caf\\xe9'"),
        ("海".encode() * 100, f"'{'海' * 80}…'"),
        (None, "None"),
        (True, "True"),
        (1.5, "1.5"),
        ([], "[]"),
    ],
)
def test_a_quote_is_one_short_line(value: object, expected: str) -> None:
    assert quoted(value) == expected


def test_a_number_of_thousands_of_digits_is_quoted_by_its_size() -> None:
    assert quoted(1 << 20_000) == "a whole number of 20,001 bits"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES, st.integers(1, 100))
def test_a_quote_of_anything_is_printable_and_not_too_long(value: object, repeats: int) -> None:
    long = value * repeats if isinstance(value, str | bytes | list) else value
    assert quoted(long).isprintable()
    assert len(quoted(long)) <= 80 + len("'…'")


def test_of_many_names_the_first_are_quoted() -> None:
    assert quoted_names([]) == ""
    assert quoted_names(["a", "b", "c"]) == "'a', 'b', 'c'"
    assert quoted_names(map(str, range(10**9))) == "'0', '1', '2', …"
    assert len(quoted_names(["a" * 10_000] * 4)) < 100

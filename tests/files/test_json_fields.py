"""Values of JSON files are checked for type, range and finiteness."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from weft.errors import CheckpointError
from weft.files.json_fields import JSONFields, parsed

ONE_AND_400_ZEROS = "1" + "0" * 400
VALUES = parsed(
    '{"one": 1, "half": 0.5, "yes": true, "null": null, "nan": NaN, "big": 1e999, "huge": ' + ONE_AND_400_ZEROS + "}"
)

WRONG: list[tuple[Callable[[JSONFields], Any], str]] = [
    (lambda saved: saved.whole("yes"), "its 'yes' should be of type int, got True"),
    (lambda saved: saved.whole("half"), "its 'half' should be of type int, got 0.5"),
    (lambda saved: saved.whole("gone"), "its 'gone' should be of type int, got None"),
    (lambda saved: saved.number("yes"), "its 'yes' should be a finite number, got True"),
    (lambda saved: saved.number("nan"), "its 'nan' should be a finite number, got nan"),
    (lambda saved: saved.number("big"), "its 'big' should be a finite number, got inf"),
    (lambda saved: saved.number("huge"), "its 'huge' should be a finite number, got a whole number of 1,329 bits"),
    (lambda saved: saved.number("null"), "its 'null' should be a finite number, got None"),
    (lambda saved: saved.number_or_none("gone"), "its 'gone' should be a finite number, got None"),
    (lambda saved: saved.text("one"), "its 'one' should be of type str, got 1"),
    (lambda saved: saved.truth("one"), "its 'one' should be of type bool, got 1"),
    (lambda saved: saved.fields("one"), "its 'one' should be of type dict, got 1"),
]


@pytest.mark.parametrize(("read", "message"), WRONG)
def test_a_value_of_another_kind_is_refused(read: Callable[[JSONFields], Any], message: str) -> None:
    with pytest.raises(CheckpointError) as refused:
        read(JSONFields(VALUES))
    assert str(refused.value).startswith(message)
    assert len(str(refused.value)) < 150


def test_values_of_the_right_kind_are_returned() -> None:
    saved = JSONFields(VALUES)
    assert (saved.whole("one"), saved.number("one"), saved.number("half"), saved.truth("yes")) == (1, 1.0, 0.5, True)
    assert saved.number_or_none("null") is None
    assert isinstance(saved.number("one"), float)


def test_deeply_nested_json_and_other_values_are_refused() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        parsed("[" * 100_000)
    with pytest.raises(CheckpointError, match="its content should be an object"):
        JSONFields([1])

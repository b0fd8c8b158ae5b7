"""Errors can be caught as built-in exceptions, and misspelt names get a hint."""

from __future__ import annotations

import pytest

from weft.errors import (
    CheckpointError,
    InputError,
    MissingFileError,
    TrainingDivergedError,
    WeftError,
    nearest,
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

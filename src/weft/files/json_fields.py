"""The values of a JSON object that was read from a file, each checked for its type and range.

JSON of Python knows NaN, Infinity and integers of any size; `true` is an int in Python. None of these passes here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

from weft.errors import CheckpointError, quoted
from weft.files.digests import is_damaged


class JSONFields:
    """The fields of the object `values`; `whose` begins the messages of errors: "its", or the name of a file.

    Every method takes the name of a field and raises CheckpointError, with the value that was found, if it is missing
    or not of that kind.
    """

    def __init__(self, values: Any, whose: str = "its") -> None:
        if not isinstance(values, dict):
            raise CheckpointError(f"{whose} content should be an object, got {quoted(values)}")
        self.values: Mapping[str, Any] = values
        self.whose = whose

    def whole(self, name: str) -> int:
        """A whole number that is not negative."""
        value = self._of_type(name, int)
        if value < 0:
            raise CheckpointError(f"{self.whose} {name!r} should not be negative, got {value}")
        return int(value)

    def number(self, name: str) -> float:
        """A finite number."""
        value: Any = self.values.get(name)
        if type(value) not in (int, float) or not _is_finite(value):
            self._refuse(name, "a finite number")
        return float(value)

    def number_or_none(self, name: str) -> float | None:
        """A finite number, or null; the field must be there."""
        return None if self.values.get(name, 0) is None else self.number(name)

    def text(self, name: str) -> str:
        """A string."""
        return str(self._of_type(name, str))

    def truth(self, name: str) -> bool:
        """true or false."""
        return bool(self._of_type(name, bool))

    def mapping(self, name: str) -> dict[str, Any]:
        """An object."""
        return dict(self._of_type(name, dict))

    def rows(self, name: str) -> list[Any]:
        """An array."""
        return list(self._of_type(name, list))

    def fields(self, name: str) -> JSONFields:
        """The fields of an object."""
        return JSONFields(self._of_type(name, dict), self.whose)

    def _of_type(self, name: str, expected: type) -> Any:
        value = self.values.get(name)
        if type(value) is not expected:
            self._refuse(name, f"of type {expected.__name__}")
        return value

    def _refuse(self, name: str, expected: str) -> NoReturn:
        raise CheckpointError(f"{self.whose} {name!r} should be {expected}, got {quoted(self.values.get(name))}")


def parsed(text: str) -> Any:
    """The value of a JSON text. Raises ValueError if it is not JSON, or nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None


def check_digest(text: str, name: str) -> None:
    """Raise CheckpointError if the text of the file `name` does not have the digest that it contains."""
    if is_damaged(text):
        raise CheckpointError(f"{name} is damaged: it does not have the digest that was written with it")


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an int beyond the range of a float
        return False

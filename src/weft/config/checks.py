"""Checks of the value of one setting: its type, bounds and choices."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import Field, fields
from numbers import Integral, Real
from typing import Any

from weft.errors import InputError, nearest

CHANGEABLE = ("epochs", "max_steps", "patience", "save_every", "kernels", "threads", "precision")
"""Settings that may differ when a run is resumed; any other would make it another run."""


def converted(name: str, hint: Any, value: Any) -> Any:
    """`value` converted to the type `hint` of the setting `name`. Raises InputError if that is impossible."""
    return _CONVERTERS[hint](name, value)


def _sources(name: str, value: Any) -> tuple[str, ...]:
    given = value if isinstance(value, (tuple, list)) else (value,)
    sources = tuple(os.fspath(source) if isinstance(source, os.PathLike) else source for source in given)
    for source in sources:
        if not isinstance(source, str):
            raise InputError(f"{name} must be a name or path, or a list of them, got {value!r}")
        if any(map(_is_surrogate, source)):
            raise InputError(f"{name} {source!r} is not a name in UTF-8: rename the file")
    return sources


def _string(name: str, value: Any) -> str:
    if not isinstance(value, str) or any(map(_is_surrogate, value)):
        raise InputError(f"{name} must be a string, got {value!r}")
    return value


def _path(name: str, value: Any) -> str:
    return _string(name, os.fspath(value) if isinstance(value, os.PathLike) else value)


def _is_surrogate(character: str) -> bool:
    # Python represents undecodable bytes of a file name by surrogates, which a TOML file cannot contain.
    return "\ud800" <= character <= "\udfff"


def _truth(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"{name} must be true or false, got {value!r}")
    return value


def _whole_number(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise InputError(f"{name} must be a whole number, got {value!r}")
    return int(value)


def _whole_numbers(name: str, value: Any) -> tuple[int, ...]:
    given = value if isinstance(value, (tuple, list)) else (value,)
    return tuple(_whole_number(name, number) for number in given)


def _finite_number(name: str, value: Any) -> float:
    message = f"{name} must be a finite number, got {value!r}"
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InputError(message)
    try:
        number = float(value)
    except OverflowError:
        raise InputError(message) from None
    if not math.isfinite(number):
        raise InputError(message)
    return number


_CONVERTERS: dict[Any, Callable[[str, Any], Any]] = {
    tuple[str, ...]: _sources,
    tuple[int, ...]: _whole_numbers,
    str: _string,
    str | None: _path,
    bool: _truth,
    int: _whole_number,
    int | None: _whole_number,
    float: _finite_number,
    float | None: _finite_number,
}


def choices_of(item: Field[Any]) -> tuple[str, ...]:
    """The allowed values of the field `item`; empty if all values of its type within its bounds are allowed.

    Choices that can be extended, like the kinds of tokenizers, are a function in the field's metadata.
    """
    choices = item.metadata["choices"]
    return tuple(choices() if callable(choices) else choices)


def check_bounds(item: Field[Any], value: Any) -> None:
    """Raise InputError unless `value` is within the bounds and among the choices of the field `item`."""
    name, bounds, choices = item.name, item.metadata, choices_of(item)
    if choices and value not in choices:
        raise InputError(f"{name} must be one of {', '.join(choices)}, got {value!r}{nearest(value, choices)}")
    if bounds["at_least"] is not None and value < bounds["at_least"]:
        raise InputError(f"{name} must be at least {bounds['at_least']:g}, got {value!r}")
    if bounds["above"] is not None and value <= bounds["above"]:
        raise InputError(f"{name} must be above {bounds['above']:g}, got {value!r}")
    if bounds["below"] is not None and value >= bounds["below"]:
        raise InputError(f"{name} must be below {bounds['below']:g}, got {value!r}")


def has_effect(section: Any, item: Field[Any]) -> bool:
    """Whether the field `item` of a section has an effect with the other settings of the section."""
    if item.metadata["only_with"] is None:
        return True
    other, needed = item.metadata["only_with"]
    return bool(getattr(section, other) == needed)


def effective(section: Any) -> dict[str, Any]:
    """The settings of a section by name, without those that have no effect with the other ones."""
    return {item.name: getattr(section, item.name) for item in fields(section) if has_effect(section, item)}

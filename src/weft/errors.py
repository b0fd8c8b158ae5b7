"""The errors of weft. A message says in one line what was given, what was expected and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class WeftError(Exception):
    """Base class of the errors of weft."""


class InputError(WeftError, ValueError):
    """A value, text or file cannot be used."""


class MissingFileError(WeftError, FileNotFoundError):
    """A given file or folder does not exist."""


class CheckpointError(InputError):
    """A run folder is incomplete, damaged, or from a newer version of weft."""


class TrainingDivergedError(InputError):
    """The loss is no longer a finite number."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for a misspelt `name`, ' (did you mean "x"?)' with the most similar of `known`; '' if none is similar."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f' (did you mean "{close[0]}"?)' if close else ""

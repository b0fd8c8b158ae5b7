"""The errors a user can meet. Each says what was given, what was expected and what to do, in one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class WeftError(Exception):
    """Base of every error that weft raises on purpose."""


class InputError(WeftError, ValueError):
    """A value, text or file cannot be used as it is."""


class MissingFileError(WeftError, FileNotFoundError):
    """A file or folder that was named is not there."""


class CheckpointError(InputError):
    """A run folder is incomplete, damaged, or from a newer version of weft."""


class TrainingDivergedError(InputError):
    """The loss is no longer a finite number."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for a misspelt `name`: ' (did you mean "x"?)', or '' when nothing known is close."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f' (did you mean "{close[0]}"?)' if close else ""

"""The errors of weft. A message says in one line what was given, what was expected and what to do."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable
from itertools import islice

LONGEST_QUOTE = 80
"""Most characters of an input that a message quotes, escapes counted as they are written."""


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


def quoted(value: object, longest: int = LONGEST_QUOTE) -> str:
    """`value` of an input as a message shows it: on one line, and cut to `longest` characters with '…' at the end.

    A string is shown between quotes with its control characters escaped, bytes as the UTF-8 text that they are; any
    other value, for example from a JSON file, as Python writes it.
    """
    if isinstance(value, bytes):
        value = value[: 4 * (longest + 1)].decode("utf-8", errors="backslashreplace")
    if isinstance(value, str):
        shown = repr(value[:longest])
        if len(value) <= longest and len(shown) <= longest + 2:
            return shown
        while len(shown) > longest + 2:
            value = value[: min(len(value), longest) - 1]
            shown = repr(value)
        return f"{shown[:-1]}…{shown[-1]}"
    shown = _SHORT.repr(value)
    return shown if len(shown) <= longest else f"{shown[:longest]}…"


def quoted_names(names: Iterable[object], most: int = 3) -> str:
    """The first `most` of the names as `quoted` shows them, with commas between them, and '…' if there are more."""
    first = list(islice(names, most + 1))
    return ", ".join(quoted(name, LONGEST_QUOTE // most) for name in first[:most]) + (
        ", …" if len(first) > most else ""
    )


class _Short(reprlib.Repr):
    """Python's form of a value, with the first elements of what is long or deep."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxother = 3, LONGEST_QUOTE

    def repr_int(self, x: int, level: int) -> str:
        """A whole number; one of thousands of digits, which Python does not write, by its size."""
        return super().repr_int(x, level) if x.bit_length() <= 1024 else f"a whole number of {x.bit_length():,} bits"


_SHORT = _Short()

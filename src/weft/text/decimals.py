"""Decimal numbers in files: `-1`, `0.5`, `.5`, `1e-7`; not `1_0`, `0x1p3`, `nan` or `inf`, which `float` takes too."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

_DECIMAL = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_CHARACTERS = b"+-.0123456789Ee"


def decimal(text: str) -> float:
    """The number that `text` is, infinite where a float overflows; NaN if it is none."""
    return float(text) if _DECIMAL.fullmatch(text) else math.nan


def decimals(texts: Sequence[bytes], names: Mapping[bytes, float] | None = None) -> NDArray[np.float64]:
    """The numbers of many texts as `decimal` reads them, (len(texts),).

    names: values of words that a format has for some numbers, in small letters; they are found in letters of any case.
    """
    if not b"".join(texts).translate(None, _CHARACTERS):
        try:  # of texts of these characters alone, `float` takes the decimal numbers
            return np.array(list(map(float, texts)), dtype=np.float64)
        except ValueError:
            pass
    return np.array([_value(text, names or {}) for text in texts], dtype=np.float64)


def _value(text: bytes, names: Mapping[bytes, float]) -> float:
    named = names.get(text.lower())
    return decimal(text.decode("latin-1")) if named is None else named

"""The numbers of an ARPA file, checked where they are read.

    log10 P   from LOWEST to 0; up to ROUNDING above 0, which programs that compute in float32 write, is read as 0
    log10 b   from LOWEST to HIGHEST_BACKOFF

Both are decimal numbers, or `-inf`, which is read as NEVER. A back-off weight b may be above 1: it divides what the
words seen after a context leave of 1 by what the shorter context gives to all other words. That this product of
b and P is nowhere above 1 cannot be seen in one number; `NGramModel` checks every probability that it computes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from weft.errors import InputError, quoted
from weft.ngram.model import NEVER, Floats
from weft.text.decimals import decimals

LOWEST = -1000.0
"""Far below the logarithm of any probability that a float holds, and below what programs write for log10 0."""

ROUNDING = 1e-6

HIGHEST_BACKOFF = 10.0
"""A larger weight would say that the words to which it applies have less than 1e-10 of a probability to share."""

ErrorOf = Callable[[int, str], InputError]
"""Makes the error about the number of a row, from the row and what is wrong with it."""

_NAMES = dict.fromkeys((b"-inf", b"-infinity"), NEVER)


def checked_probabilities(texts: Sequence[bytes], error_of: ErrorOf) -> Floats:
    """log10 P of each row, (R,); raises the error about the first row that has none."""
    values = _between(texts, "probability", ROUNDING, error_of)
    return np.minimum(values, 0.0)


def checked_backoffs(texts: Sequence[bytes], error_of: ErrorOf) -> Floats:
    """log10 b of each row, (R,); raises the error about the first row that has none."""
    return _between(texts, "back-off weight", HIGHEST_BACKOFF, error_of)


def _between(texts: Sequence[bytes], what: str, highest: float, error_of: ErrorOf) -> Floats:
    values = decimals(texts, _NAMES)
    right = (values >= LOWEST) & (values <= highest)
    if not right.all():
        row = int(np.argmin(right))
        raise error_of(row, _reason(texts[row], float(values[row]), what, highest))
    return values


def _reason(text: bytes, value: float, what: str, highest: float) -> str:
    if np.isnan(value):
        return f"expected a number, got {quoted(text)}"
    bound = f"above {highest if highest > ROUNDING else 0:g}" if value > highest else f"below {LOWEST:,g}"
    return f"the log10 {what} {value:g} is {bound}"

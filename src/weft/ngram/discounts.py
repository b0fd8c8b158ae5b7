"""The discounts of modified Kneser-Ney smoothing (Chen & Goodman 1998, equation 26).

    Y = n_1 / (n_1 + 2 n_2)     D_c = c - (c + 1) Y n_{c+1} / n_c     c = 1, 2, 3

n_c is the number of n-grams with the adjusted count c; D_3 applies to all counts of 3 and more.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from weft.errors import InputError
from weft.ngram.counts import Ints


class Discounts(NamedTuple):
    """The discounts of the adjusted counts 1, 2, and 3 or more."""

    one: float
    two: float
    more: float


FALLBACK = Discounts(0.5, 1.0, 1.5)
"""For texts that are too small to estimate discounts; the fallback of KenLM's lmplz."""


def discounts(counts: Ints, order: int, fallback: Discounts | None = None) -> Discounts:
    """The discounts for the n-grams of one order, from their adjusted counts.

    If they cannot be estimated, because the text is too small or too regular (no n-gram of some count, or a discount
    that is not above 0), they are `fallback`; raises InputError if that is None.
    """
    n = np.bincount(np.minimum(counts, 5), minlength=6).tolist()
    if 0 in n[1:4]:
        reason = f"no {order}-gram has the adjusted count {n.index(0, 1)}"
    else:
        y = n[1] / (n[1] + 2 * n[2])
        estimated = Discounts(*(c - (c + 1) * y * n[c + 1] / n[c] for c in (1, 2, 3)))
        if min(estimated) > 0:
            return estimated
        shown = ", ".join(f"{discount:.3g}" for discount in estimated)
        reason = f"the {order}-grams would be discounted by {shown}, which must be above 0"
    if fallback is None:
        raise InputError(
            f"the text is too small or too regular to estimate Kneser-Ney discounts: {reason}; give more text, a lower "
            "order, or fixed discounts (--discount-fallback)"
        )
    return fallback

"""Dropout locked over time, or variational: what is dropped at one step of a block is dropped at all of them.

    y_t = x_t * m,  m = 0 with probability ratio, else 1 / (1 - ratio)          dx_t = dy_t * m

One mask (N, D) for the T steps, drawn anew for every block and stream: noise of the same kind at every step cannot be
averaged away by the recurrence (Gal & Ghahramani 2016).
"""

from __future__ import annotations

from weft.backends import Array
from weft.layers.dropout import TimeDropout


class LockedDropout(TimeDropout):
    """`TimeDropout` of blocks `xs (N, T, D)` with one mask (N, 1, D) for all steps."""

    def mask_shape(self, xs: Array) -> tuple[int, ...]:
        N, _T, D = xs.shape
        return N, 1, D

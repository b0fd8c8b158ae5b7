"""Units of information: bits, nats and bans, for logarithms to base 2, e and 10."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Unit:
    """A unit and its size in nats: 1 bit = ln 2 nats, 1 ban = ln 10 nats."""

    name: str
    nats: float


BITS, NATS, BANS = Unit("bits", math.log(2)), Unit("nats", 1.0), Unit("bans", math.log(10))
UNITS = {"2": BITS, "e": NATS, "10": BANS}
"""Base of the logarithm -> unit."""

"""Units of information: what a logarithm to base 2, e or 10 counts in."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Unit:
    """A unit and how many nats it is: 1 bit = ln 2 nats, 1 ban = ln 10 nats."""

    name: str
    nats: float


BITS, NATS, BANS = Unit("bits", math.log(2)), Unit("nats", 1.0), Unit("bans", math.log(10))
UNITS = {"2": BITS, "e": NATS, "10": BANS}
"""The unit of every base that can be asked for."""

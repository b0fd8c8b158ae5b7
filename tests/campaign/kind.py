"""A kind of case: how cases are drawn from a seed, and what a case must do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import chain, islice
from pathlib import Path
from random import Random
from typing import Any, NamedTuple


class Verdict(Enum):
    """What a case did, if it did not fail.

    REFUSED  one line of error and exit code 2, nothing else
    SAME     the output or result of the undisturbed command, bit for bit
    OTHER    another valid output: finite numbers, perplexities of at least 1, log-probabilities of at most 0
    """

    REFUSED = "refused in one line"
    SAME = "same output"
    OTHER = "other valid output"


class Failure(Exception):
    """A case did what none of the verdicts allows; the message says what."""


class Room(NamedTuple):
    """The folders of a case: `material`, shared by all cases and not to be changed, and its own, empty one."""

    material: Path
    folder: Path


def always(case: Any) -> bool:
    """The default of `Kind.quick`."""
    return True


@dataclass(frozen=True)
class Kind:
    """A kind of case.

    name         on the command line
    about        for the documentation: a paragraph
    short, long  numbers of cases, besides those of `regressions`
    prepare      writes the material into a folder
    draw         cases without end
    check        what a case did; raises Failure, or any other exception for an error of the case itself
    regressions  cases that failed once
    quick        whether the short form may draw the case
    """

    name: str
    about: str
    short: int
    long: int
    prepare: Callable[[Path], None]
    draw: Callable[[Random], Iterator[Any]]
    check: Callable[[Any, Room], Verdict]
    regressions: Sequence[Any] = ()
    quick: Callable[[Any], bool] = always

    def cases(self, seed: int, count: int | None = None, short: bool = False) -> Iterator[Any]:
        """The regressions, then `count` cases of this seed (default: as many as the form, long or short, has)."""
        drawn = self.draw(Random(f"{self.name} {seed}"))
        if short:
            drawn = filter(self.quick, drawn)
        number = count if count is not None else self.short if short else self.long
        return chain(self.regressions, islice(drawn, number))

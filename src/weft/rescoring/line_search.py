"""The exact number of errors along one weight, and its minimum (Och 2003, "Minimum Error Rate Training").

With all weights but one fixed, the total of a hypothesis is a line in that weight, a + x b. The best hypothesis of an
utterance for every x is the upper envelope of its lines, so its errors change only where two lines of the envelope
meet. The sum over the utterances is a step function whose steps are all such places: no grid can find a lower value.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Segment = tuple[float, int]
"""Where a stretch of an envelope begins, and the index of the line that is highest on it."""


@dataclass(frozen=True)
class Stretch:
    """An open interval of the weight with the errors on it."""

    start: float
    end: float
    errors: int

    @property
    def middle(self) -> float:
        """A point well within; of an unbounded stretch, beyond its end by as much as that is from zero, at least 1."""
        if math.isinf(self.start) and math.isinf(self.end):
            return 0.0
        if math.isinf(self.start):
            return self.end - max(1.0, abs(self.end))
        if math.isinf(self.end):
            return self.start + max(1.0, abs(self.start))
        return self.start + (self.end - self.start) / 2

    @property
    def width(self) -> float:
        """How long it is; of an unbounded stretch, twice the way to its middle."""
        if math.isinf(self.start) or math.isinf(self.end):
            bound = self.end if math.isinf(self.start) else self.start
            return math.inf if math.isinf(bound) else 2 * max(1.0, abs(bound))
        return self.end - self.start


def upper_envelope(offsets: Sequence[float], slopes: Sequence[float]) -> list[Segment]:
    """The highest of the lines offset + x slope for every x, from -∞ on; of equal lines the first."""
    highest: dict[float, int] = {}
    for index, slope in enumerate(slopes):
        if slope not in highest or offsets[index] > offsets[highest[slope]]:
            highest[slope] = index
    envelope: list[Segment] = []
    for slope in sorted(highest):
        index = highest[slope]
        start = -math.inf
        while envelope:
            top_start, top = envelope[-1]
            start = (offsets[top] - offsets[index]) / (slope - slopes[top])
            if start > top_start:
                break
            envelope.pop()
            start = -math.inf
        if start < math.inf:
            envelope.append((start, index))
    return envelope


def stretches(envelopes: Iterable[tuple[list[Segment], Sequence[int]]], lowest: float) -> list[Stretch]:
    """The errors of all utterances together for x from `lowest` to ∞, as stretches that follow one another.

    envelopes: for each utterance its envelope and the errors of its hypotheses.
    """
    at_start = 0
    changes: dict[float, int] = {}
    for envelope, errors in envelopes:
        before = errors[envelope[0][1]]
        at_start += before
        for start, index in envelope[1:]:
            change, before = errors[index] - before, errors[index]
            if start <= lowest:
                at_start += change
            elif change:
                changes[start] = changes.get(start, 0) + change
    found: list[Stretch] = []
    start, count = lowest, at_start
    for place in sorted(changes):
        if changes[place]:
            found.append(Stretch(start, place, count))
            start, count = place, count + changes[place]
    return [*found, Stretch(start, math.inf, count)]


def least(found: Sequence[Stretch]) -> Stretch:
    """The widest of the stretches with the fewest errors; of equally wide ones the first."""
    fewest = min(stretch.errors for stretch in found)
    return max((stretch for stretch in found if stretch.errors == fewest), key=lambda stretch: stretch.width)

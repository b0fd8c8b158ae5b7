"""The exact number of errors along one weight, and its minimum (Och 2003, "Minimum Error Rate Training").

With all weights but one fixed, the total of a hypothesis is a linear function of that weight x, a + b x. The best
hypothesis of an utterance as a function of x is the upper envelope of these lines, so the errors change only where two
lines of the envelope intersect. The sum over the utterances is a step function whose steps are at these intersections;
the search evaluates every interval between them, so no grid can find a lower value.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Segment = tuple[float, int]
"""Where a segment of an envelope begins, and the index of the line that is highest on it."""


@dataclass(frozen=True)
class Interval:
    """An open interval of the weight, and the errors within it."""

    start: float
    end: float
    errors: int

    @property
    def middle(self) -> float:
        """The midpoint; of an interval with one bound b, the point at the distance max(1, |b|) from b."""
        if math.isinf(self.start) and math.isinf(self.end):
            return 0.0
        if math.isinf(self.start):
            return self.end - max(1.0, abs(self.end))
        if math.isinf(self.end):
            return self.start + max(1.0, abs(self.start))
        return self.start + (self.end - self.start) / 2

    @property
    def width(self) -> float:
        """The length; of an interval with one bound, twice the distance of `middle` from it."""
        if math.isinf(self.start) or math.isinf(self.end):
            bound = self.end if math.isinf(self.start) else self.start
            return math.inf if math.isinf(bound) else 2 * max(1.0, abs(bound))
        return self.end - self.start


def upper_envelope(offsets: Sequence[float], slopes: Sequence[float]) -> list[Segment]:
    """The upper envelope of the lines offset + slope · x, from x = -∞ on; of equal lines the first."""
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


def error_intervals(envelopes: Iterable[tuple[list[Segment], Sequence[int]]], lowest: float) -> list[Interval]:
    """The errors of all utterances together for x from `lowest` to ∞, as consecutive intervals.

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
    found: list[Interval] = []
    start, count = lowest, at_start
    for place in sorted(changes):
        if changes[place]:
            found.append(Interval(start, place, count))
            start, count = place, count + changes[place]
    return [*found, Interval(start, math.inf, count)]


def best_interval(found: Sequence[Interval]) -> Interval:
    """The widest of the intervals with the fewest errors; of equally wide ones the first."""
    fewest = min(interval.errors for interval in found)
    return max((interval for interval in found if interval.errors == fewest), key=lambda interval: interval.width)

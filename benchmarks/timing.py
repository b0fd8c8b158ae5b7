"""Times that can be compared: everybody runs in this one process, in turn, round after round.

A machine that slows down, by its neighbours or its heat, slows all of them; the figure is the median over the rounds.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.contender import CannotTakePart, Case, Contender, Context, Step

ROUNDS = 5
"""Rounds in the time given, where the work is short enough."""
FEWEST_ROUNDS = 3
SHORTEST_TURN_SECONDS = 0.1
REST_SECONDS = 0.1
"""Before a turn: threads of linear algebra libraries spin on for some time when their work is done, and would fight
those of the next."""
SETTLE_SECONDS = 0.02
"""Calls begun so soon in a turn do not count, if there are others: caches are cold and the processor slowed down."""


@dataclass
class Comparison:
    """What came out for one case. `seconds`: the median of so many `calls`; `missing`: why others have none."""

    seconds: dict[str, float] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def compare(case: Case, contenders: Sequence[Contender[Case]], seconds: float) -> Comparison:
    """Let all contenders that can run `case` do so in turn, for about so many seconds together.

    What preparing takes is not counted.
    """
    result = Comparison()
    steps: dict[str, tuple[Step, Context]] = {}
    for contender in contenders:
        try:
            with contender.context():
                steps[contender.name] = contender.make(case), contender.context
        except CannotTakePart as reason:
            result.missing[contender.name] = str(reason)
    for name, times in in_turn(steps, seconds).items():
        result.seconds[name], result.calls[name] = statistics.median(times), len(times)
    return result


def in_turn(steps: Mapping[str, tuple[Step, Context]], seconds: float) -> dict[str, list[float]]:
    """Seconds of every call that counts, by name; a first round of one call each does not.

    Takes longer than `seconds` where FEWEST_ROUNDS do. Less than a turn's shortest time shortens turns and rests too.
    """
    turn_seconds = max(seconds / (ROUNDS * max(1, len(steps))), min(seconds, SHORTEST_TURN_SECONDS))
    times: dict[str, list[float]] = {name: [] for name in steps}
    for step, context in steps.values():
        with context():
            step()
    end = time.perf_counter() + seconds
    rounds = 0
    while steps and (rounds < FEWEST_ROUNDS or time.perf_counter() < end):
        for name, (step, context) in steps.items():
            time.sleep(min(seconds, REST_SECONDS))
            with context():
                times[name] += turn(step, turn_seconds)
        rounds += 1
    return times


def turn(step: Step, seconds: float) -> list[float]:
    """Seconds of each of as many calls as begin in the time, one at least; without the early ones if there are more."""
    times: list[float] = []
    early = 0
    began = now = time.perf_counter()
    while not times or now - began < seconds:
        step()
        before, now = now, time.perf_counter()
        times.append(now - before)
        early += before - began < SETTLE_SECONDS
    return times[early:] or times[-1:]

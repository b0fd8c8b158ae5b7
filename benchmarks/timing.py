"""Comparable times: all contenders alternate in one process for several rounds; the figure is the median call.

If the machine slows down, from heat or other load, all contenders are affected alike.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.contender import Case, Contender, Context, Step, Unavailable

ROUNDS = 5
"""Rounds that the measuring time is divided into, if the steps are short enough."""
MIN_ROUNDS = 3
MIN_TURN_SECONDS = 0.1
REST_SECONDS = 0.1
"""Pause before each turn: idle threads of linear algebra libraries keep spinning for some time, and would compete with
the threads of the next contender."""
SETTLE_SECONDS = 0.02
"""Calls that start this early in a turn are discarded if later ones exist: caches are cold, the clock rate is low."""


@dataclass
class Comparison:
    """Results of one case by contender: median `seconds` of `calls` calls; `missing`: the reason of no result."""

    seconds: dict[str, float] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def compare(case: Case, contenders: Sequence[Contender[Case]], seconds: float) -> Comparison:
    """Measure all contenders that can run `case`, alternating, for about `seconds` seconds in total.

    Preparation is not included in the times.
    """
    result = Comparison()
    steps: dict[str, tuple[Step, Context]] = {}
    for contender in contenders:
        try:
            with contender.context():
                steps[contender.name] = contender.make(case), contender.context
        except Unavailable as reason:
            result.missing[contender.name] = str(reason)
    for name, times in interleaved(steps, seconds).items():
        result.seconds[name], result.calls[name] = statistics.median(times), len(times)
    return result


def interleaved(steps: Mapping[str, tuple[Step, Context]], seconds: float) -> dict[str, list[float]]:
    """Seconds of every counted call, by name. A first round of one call each is discarded.

    Takes longer than `seconds` if MIN_ROUNDS rounds do. If `seconds` is below MIN_TURN_SECONDS or REST_SECONDS, turns
    and pauses are shortened to `seconds`.
    """
    turn_seconds = max(seconds / (ROUNDS * max(1, len(steps))), min(seconds, MIN_TURN_SECONDS))
    times: dict[str, list[float]] = {name: [] for name in steps}
    for step, context in steps.values():
        with context():
            step()
    end = time.perf_counter() + seconds
    rounds = 0
    while steps and (rounds < MIN_ROUNDS or time.perf_counter() < end):
        for name, (step, context) in steps.items():
            time.sleep(min(seconds, REST_SECONDS))
            with context():
                times[name] += call_times(step, turn_seconds)
        rounds += 1
    return times


def call_times(step: Step, seconds: float) -> list[float]:
    """Seconds of each call that starts within `seconds`, at least one; early calls are dropped if later ones exist."""
    times: list[float] = []
    early = 0
    start = now = time.perf_counter()
    while not times or now - start < seconds:
        step()
        before, now = now, time.perf_counter()
        times.append(now - before)
        early += before - start < SETTLE_SECONDS
    return times[early:] or times[-1:]

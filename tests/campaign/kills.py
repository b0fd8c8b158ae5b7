"""Kills: a training that is killed anywhere, and resumed, ends with the result of one that was not."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from types import FrameType

from campaign.kind import Failure, Kind, Room, Verdict
from campaign.processes import Action, run_weft
from campaign.training_runs import (
    FUSED,
    SETTINGS,
    check_result,
    finish,
    prepare,
    prepare_room,
    training,
    undisturbed,
)
from campaign.verdicts import check_ended

SAVE_EVERY = ("0.0001", "0.02", "60")


@dataclass(frozen=True)
class Moment:
    """A moment in a process: after a share of the events of an undisturbed training.

    of: "calls" of functions, or "files": audit events on opening, renaming, making and removing files.
    """

    of: str
    share: float


@dataclass(frozen=True)
class Kill:
    """A training is killed at the first moment; what goes on with it, at the next, until the last goes on to the end.

    old_run: whether it replaces a run.
    """

    settings: str
    save_every: str
    old_run: bool
    moments: tuple[Moment, ...]


REGRESSIONS: tuple[Kill, ...] = ()


def draw(random: Random) -> Iterator[Kill]:
    """Mostly one kill; half of them at file operations, which are rare."""
    while True:
        number = random.choice([1, 1, 1, 2, 3])
        moments = tuple(
            Moment(random.choice(["calls", "files"]), round(random.random() ** random.choice([1, 2]), 4))
            for _ in range(number)
        )
        yield Kill(random.choice(list(SETTINGS)), random.choice(SAVE_EVERY), random.random() < 0.4, moments)


class Counter:
    """Counts events in this process, and kills it at event number `last`."""

    def __init__(self, of: str, last: int | None = None) -> None:
        self.count, self.last = 0, last
        if of == "calls":
            sys.setprofile(self._called)
        else:
            sys.addaudithook(self._audited)

    def _called(self, frame: FrameType, event: str, argument: object) -> None:
        if event in ("call", "c_call"):
            self._add()

    def _audited(self, event: str, arguments: object) -> None:
        if event in ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir"):
            self._add()

    def _add(self) -> None:
        self.count += 1
        if self.count == self.last:
            os.kill(os.getpid(), signal.SIGKILL)


def counting_calls() -> None:
    """Count calls, and print their number to standard error at the end."""
    _print_at_exit(Counter("calls"))


def counting_files() -> None:
    """Count file operations, and print their number to standard error at the end."""
    _print_at_exit(Counter("files"))


COUNTING: dict[str, Action] = {"calls": counting_calls, "files": counting_files}


def _print_at_exit(counter: Counter) -> None:
    exit = os._exit

    def print_and_exit(code: int) -> None:
        sys.setprofile(None)
        os.write(2, f"counted {counter.count}\n".encode())
        exit(code)

    os._exit = print_and_exit  # type: ignore[assignment]


def check(kill: Kill, room: Room) -> Verdict:
    """Kill and go on; then compare with an undisturbed training."""
    more = (f"--save-every={kill.save_every}", *["--overwrite"] * kill.old_run)
    place = prepare_room(room, kill.old_run)
    expected = undisturbed(room, kill.settings, *more, old_run=kill.old_run).result
    for number, moment in enumerate(kill.moments):
        counted = undisturbed(room, kill.settings, *more, old_run=kill.old_run, before=COUNTING[moment.of])
        events = int(counted.answer.err.rpartition("counted ")[2])
        last = max(1, int(moment.share * events))

        def killed(of: str = moment.of, last: int = last) -> None:
            Counter(of, last)

        if number == 0:
            answer = run_weft(place, *training(kill.settings, *more), before=killed)
        else:
            answer = finish(place, room, kill.settings, kill.old_run, before=killed)
        if answer.code not in (-signal.SIGKILL, 0):
            check_ended(answer)
            raise Failure(f"exit code {answer.code} before the kill: {answer.err[-300:]!r}")
    answer = finish(place, room, kill.settings, kill.old_run)
    check_ended(answer)
    if answer.code != 0:
        raise Failure(f"cannot be resumed: {answer.err[-300:]!r}")
    check_result(place, expected)
    return Verdict.SAME


def quick(kill: Kill) -> bool:
    """Without the fused kernels, which must first be compiled."""
    return kill.settings not in FUSED


ABOUT = """A training is killed (SIGKILL) at a random function call or file operation, once to three times, at any time
from its first line to its last, also where it replaces another run. It is resumed, or started again where nothing was
kept. The model and the metrics must be those of an undisturbed training, bit for bit, with nothing left behind."""
KIND = Kind("kills", ABOUT, 5, 100, prepare, draw, check, REGRESSIONS, quick)

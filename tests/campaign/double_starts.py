"""Double starts: of processes that write into one run folder exactly one does, and readers are not disturbed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from campaign import training_runs
from campaign.kind import Failure, Kind, Room, Verdict
from campaign.material import must_run
from campaign.processes import Action, Answer, Running, run_weft, start_weft
from campaign.training_runs import RUN, Result, check_result, prepare_room, training, undisturbed
from campaign.verdicts import check_ended, check_refusal

SETTINGS = ("lstm", "ema", "gru, random blocks")
REFUSALS = ("is being written by another process", "holds a run already", "is being replaced by a new run")
READERS = ("next the --run run", "eval --run run", "info run", "score a --run run")


@dataclass(frozen=True)
class DoubleStart:
    """Several processes that write, each started `delays` seconds after the first, and readers all the time.

    start: "new", "overwrite" an old run, "resume", or "overwrite training": overwrite a run while it is trained.
    """

    start: str
    settings: str
    delays: tuple[float, ...]
    readers: tuple[str, ...] = ()


REGRESSIONS: tuple[DoubleStart, ...] = (
    DoubleStart(start="overwrite", settings="ema", delays=(0.0059, 0.0), readers=("eval --run run",)),
    DoubleStart(start="resume", settings="lstm", delays=(0.0929,), readers=("info run",)),
)


def draw(random: Random) -> Iterator[DoubleStart]:
    """Two or three writers."""
    while True:
        start = random.choice(["new", "overwrite", "resume", "overwrite training"])
        delays = [
            random.choice([0, 0, 0.001, 0.01, 0.05, 0.1]) * random.random() for _ in range(random.choice([1, 1, 2]))
        ]
        readers = random.sample(READERS, k=random.choice([0, 1, 2]))
        yield DoubleStart(start, random.choice(SETTINGS), tuple(round(delay, 4) for delay in delays), tuple(readers))


def check(case: DoubleStart, room: Room) -> Verdict:
    """Start all, count the winners, compare with a single run."""
    old_run = case.start == "overwrite"
    more = ["--save-every=0.0001"]
    place = prepare_room(room, old_run)
    expected = undisturbed(room, case.settings, *more).result
    arguments = training(case.settings, *more, *["--overwrite"] * case.start.startswith("overwrite"))
    if case.start == "resume":
        must_run(place, *training(case.settings, *more, "--max-steps=5"))
        arguments = ["train", "--resume", "--out", RUN, "--max-steps=80", *more]
        expected = _resumed(room, case.settings)
    gate = time.monotonic() + 0.05
    times = [gate, *(gate + delay for delay in case.delays)]
    commands = [arguments] * len(times)
    if case.start == "overwrite training":
        commands[0] = training(case.settings, *more)
    writers = [
        start_weft(place, *command, before=_at(when), name=f"writer-{number}")
        for number, (command, when) in enumerate(zip(commands, times, strict=True))
    ]
    read = _read(place, writers, case.readers)
    answers = [writer.wait() for writer in writers]
    for answer in answers:
        check_ended(answer)
    winners = [answer for answer in answers if answer.code == 0]
    refused = [answer for answer in answers if answer.code != 0]
    for answer in refused:
        message = check_refusal(answer)
        if not any(reason in message for reason in REFUSALS):
            raise Failure(f"a writer is refused for another reason: {message}")
    if len(winners) != 1 and not _in_turn(case, winners):
        raise Failure(f"{len(winners)} of {len(answers)} writers succeed")
    check_result(place, expected)
    for command, answer in read:
        if answer.code != 0 and not any(reason in check_refusal(answer) for reason in _READER_REFUSALS):
            raise Failure(f"{command}: {answer.err[-300:]!r}")
    return Verdict.SAME


_READER_REFUSALS = ("no run folder at", "is not a run folder", "holds no model yet", *REFUSALS)


def _in_turn(case: DoubleStart, winners: list[Answer]) -> bool:
    """Whether several writers may have succeeded one after another: on a busy machine one may start late."""
    return len(winners) > 1 and case.start != "new" and all("already" not in each.err for each in winners)


def _at(when: float) -> Action:
    def wait() -> None:
        time.sleep(max(0.0, when - time.monotonic()))

    return wait


def _read(place: Path, writers: list[Running], readers: tuple[str, ...]) -> list[tuple[str, Answer]]:
    """The answers of the readers, one after another until all writers have ended."""
    answers = []
    while readers and not all(writer.has_ended() for writer in writers):
        for command in readers:
            answers.append((command, run_weft(place, *command.split())))
    return answers


_resumed_results: dict[str, Result] = {}


def _resumed(room: Room, settings: str) -> Result:
    """The result of a run that was stopped after five steps and resumed."""
    if settings not in _resumed_results:
        other = Room(room.material, room.folder / "resumed")
        other.folder.mkdir()
        place = prepare_room(other)
        must_run(place, *training(settings, "--max-steps=5"))
        must_run(place, "train", "--resume", "--out", RUN, "--max-steps=80")
        _resumed_results[settings] = training_runs.result(place / RUN)
    return _resumed_results[settings]


ABOUT = """Two or three processes write into one run folder at the same time: new runs, two that replace an old one, two
that resume, one that replaces a run under training; others read it meanwhile. One writer succeeds, the others are
refused in one line, readers answer or say that there is no model yet, and the result is that of a single run."""
KIND = Kind("double-starts", ABOUT, 3, 100, training_runs.prepare, draw, check, REGRESSIONS)

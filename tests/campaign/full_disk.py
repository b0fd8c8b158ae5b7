"""Full disks: an operation on a file fails, and nothing is lost that was there."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from campaign import training_runs
from campaign.kind import Failure, Kind, Room, Verdict
from campaign.material import SMALL, must_run
from campaign.processes import Answer, run_weft
from campaign.training_runs import RUN, check_old, check_result, finish, is_old, prepare_room, training, undisturbed
from campaign.verdicts import check_refusal, verdict

SETTINGS = "ema"


@dataclass(frozen=True)
class FullDisk:
    """A disk that is full from the operation number `first` on, or where no file can exceed `bytes`.

    command: one of COMMANDS. error: the name of the errno. lasting: whether later operations fail too.
    """

    command: str
    error: str = "ENOSPC"
    first: int | None = None
    lasting: bool = True
    bytes: int | None = None


TRAININGS = ("train", "overwrite", "resume")
COMMANDS: dict[str, str] = {
    "compare": f"compare {RUN} --baseline kn2 --baseline window4 --sample 20 --longest 2",
    "score html": f"score --run {RUN} --html page.html a",
    "score png": f"score --run {RUN} --png picture.png a",
    "ngram train": "ngram train ../text.txt --order 2 --discount-fallback --out lm.arpa",
    "ngram overwrite": "ngram train ../text.txt --order 2 --discount-fallback --out old.arpa --overwrite",
    "find-lr": "find-lr ../text.txt --steps 20 --png lr.png --tsv lr.tsv " + " ".join(SMALL),
    "rescore": f"rescore ../list.txt --format srilm --columns id,ascore,text --run {RUN} "
    "--references ../references.txt --tune weights.toml",
}
"""Commands that write files, besides TRAININGS."""
REGRESSIONS: tuple[FullDisk, ...] = ()


def prepare(material: Path) -> None:
    """The text, an old run, one that has ended, an ARPA file and lists."""
    training_runs.prepare(material)
    place = material / "ended"
    place.mkdir()
    must_run(place, *training(SETTINGS, "--max-steps=20"))
    must_run(place, *["ngram", "train", "../text.txt", "--order", "1", "--discount-fallback", "--out", "old.arpa"])
    (material / "list.txt").write_text("a -1.5 the cat\na -1.25 the cat sat\n", encoding="utf-8")
    (material / "references.txt").write_text("a the cat sat\n", encoding="utf-8")


def draw(random: Random) -> Iterator[FullDisk]:
    """Three quarters fail at an operation, the others by the size of a file."""
    while True:
        command = random.choice([*TRAININGS * 2, *COMMANDS])
        if random.random() < 0.25:
            # The limit is above the size of the standard output and error, which are files here.
            yield FullDisk(command, "EFBIG", bytes=int(10 ** random.uniform(3.5, 4.5)))
        else:
            error = random.choice(["ENOSPC", "ENOSPC", "EIO", "EDQUOT", "EROFS"])
            first = random.randrange(1, 120 if command in TRAININGS else 20)
            yield FullDisk(command, error, first, random.random() < 0.7)


def fail(disk: FullDisk, place: Path) -> None:
    """Let operations below `place` fail in this process: opening for writing, renaming, making folders, syncing."""
    if disk.bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (disk.bytes, disk.bytes))
        return
    number, count, fsync = getattr(errno, disk.error), 0, os.fsync

    def operation(path: Any) -> None:
        nonlocal count
        full = Path(f"/proc/self/fd/{path}").readlink() if isinstance(path, int) else Path(os.fsdecode(path)).absolute()
        if not full.is_relative_to(place) or full == place or full.suffix in (".out", ".err"):
            return
        count += 1
        if count == disk.first or (disk.lasting and count > (disk.first or 0)):
            raise OSError(number, os.strerror(number), str(full))

    def audited(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR) and not isinstance(arguments[0], int):
            operation(arguments[0])
        elif event == "os.rename":
            operation(arguments[1])
        elif event == "os.mkdir":
            operation(arguments[0])

    def failing_fsync(descriptor: int) -> None:
        operation(descriptor)
        fsync(descriptor)

    os.fsync = failing_fsync  # type: ignore[assignment]
    sys.addaudithook(audited)


def check(disk: FullDisk, room: Room) -> Verdict:
    """Run the command on the full disk, then on one that is not."""
    if disk.command in TRAININGS:
        return _check_training(disk, room)
    place = _room_with_run(room)
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    arguments = COMMANDS[disk.command].split()
    refused = _verdict(run_weft(place, *arguments, before=lambda: fail(disk, place)))
    for path, content in before.items():
        if not path.is_file() or (path.read_bytes() != content and refused == Verdict.REFUSED):
            raise Failure(f"{path.relative_to(place)} is lost or changed")
    left = list(place.rglob("*.tmp"))
    if left and not disk.lasting:
        raise Failure(f"left behind: {left[0].name}")
    if disk.command == "ngram train" and (place / "lm.arpa").exists() and refused == Verdict.REFUSED:
        raise Failure("lm.arpa was written, in part or as a whole")
    (place / "lm.arpa").unlink(missing_ok=True)
    answer = run_weft(place, *arguments)
    if answer.code != 0:
        raise Failure(f"fails on a disk with room too: {answer.err[-300:]!r}")
    return refused


def _check_training(disk: FullDisk, room: Room) -> Verdict:
    old_run = disk.command == "overwrite"
    more = ["--save-every=0.0001", *["--overwrite"] * old_run]
    expected = undisturbed(room, SETTINGS, *more, old_run=old_run).result
    place = prepare_room(room, old_run)
    if disk.command == "resume":
        first = run_weft(place, *training(SETTINGS, *more, "--max-steps=8"))
        if first.code != 0:
            raise RuntimeError(f"the first part of the training fails: {first}")
        arguments = ["train", "--resume", "--out", RUN, "--epochs=3", "--max-steps=1000"]
        expected = _resumed(room)
    else:
        arguments = training(SETTINGS, *more)
    refused = _verdict(run_weft(place, *arguments, before=lambda: fail(disk, place)))
    if old_run and is_old(place):
        check_old(place, room)
    if (place / RUN / "config.toml").exists():
        loaded = run_weft(place, "next", "--run", RUN)
        if loaded.code != 0 and "holds no model yet" not in check_refusal(loaded):
            raise Failure(f"no usable model: {loaded.err[-300:]!r}")
    answer = run_weft(place, *arguments) if disk.command == "resume" else finish(place, room, SETTINGS, old_run)
    if answer.code != 0:
        raise Failure(f"fails on a disk with room too: {answer.err[-300:]!r}")
    check_result(place, expected)
    return refused


_resumed_result: list[tuple[bytes, str]] = []


def _resumed(room: Room) -> tuple[bytes, str]:
    """The result of the training that is resumed, on a disk with room."""
    if not _resumed_result:
        other = Room(room.material, room.folder / "resumed")
        other.folder.mkdir()
        place = prepare_room(other)
        must_run(place, *training(SETTINGS, "--save-every=0.0001", "--max-steps=8"))
        must_run(place, "train", "--resume", "--out", RUN, "--epochs=3", "--max-steps=1000")
        _resumed_result.append(training_runs.result(place / RUN))
        shutil.rmtree(other.folder)
    return _resumed_result[0]


def _room_with_run(room: Room) -> Path:
    for name in ("text.txt", "list.txt", "references.txt"):
        shutil.copy(room.material / name, room.folder)
    return Path(shutil.copytree(room.material / "ended", room.folder / "here"))


def _verdict(answer: Answer) -> Verdict:
    """Refused, or successful because what failed was not needed; a command may have answered before it writes."""
    return verdict(answer, answer.out, streams=True)


ABOUT = """An operation on a file fails, as on a full or broken disk: opening for writing, renaming, making a folder,
syncing, or writing beyond a size; once, or from then on. The command ends with one line, the old run or a valid
checkpoint is still there, and the next command ends with the result of an undisturbed one."""
KIND = Kind("full-disk", ABOUT, 10, 1000, prepare, draw, check, REGRESSIONS)

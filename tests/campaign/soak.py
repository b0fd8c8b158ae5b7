"""Long streams: a model reads many tokens in sessions that are copied, joined and split, in constant memory."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

import weft
from campaign.kind import Failure, Kind, Room, Verdict
from campaign.material import SMALL, must_run, write_text
from campaign.processes import Running
from campaign.verdicts import check_ended
from weft.inference.frozen_model import join_states, split_state

MEGABYTES = 4.0
"""How much more memory the last tenth may take than the first."""
SECONDS = 3000.0
SHORT = 5000
"""Tokens of a stream in the short form."""


@dataclass(frozen=True)
class Stream:
    """`tokens` tokens from a seed, read by a model with `weights`: None for a plain one, else those of a frozen one."""

    cell: str
    weights: str | None
    tokens: int
    seed: int


REGRESSIONS: tuple[Stream, ...] = ()


def prepare(material: Path) -> None:
    """A model of each cell."""
    write_text(material / "text.txt", 60)
    for cell in ("lstm", "gru"):
        must_run(
            material, "train", "text.txt", *SMALL, "--tokenizer=word", "--layers=2", "--epochs=1", "--cell", cell,
            "--out", cell,
        )  # fmt: skip


def draw(random: Random) -> Iterator[Stream]:
    """A million tokens through a frozen model and a hundred thousand through a plain one, after a short stream."""
    yield Stream("lstm", None, SHORT, random.randrange(10**6))
    while True:
        yield Stream("lstm", None, 100_000, random.randrange(10**6))
        yield Stream("lstm", "float32", 1_000_000, random.randrange(10**6))
        yield Stream("gru", None, 100_000, random.randrange(10**6))
        yield Stream("gru", random.choice(["bfloat16", "int8"]), 1_000_000, random.randrange(10**6))


def check(stream: Stream, room: Room) -> Verdict:
    """Read the stream twice."""
    answers = []
    for _ in range(2):
        answer = Running(lambda: print(*read(stream, room.material)), room.folder).wait(SECONDS)
        check_ended(answer)
        if answer.code != 0:
            raise Failure(f"exit code {answer.code}: {answer.err[-300:]!r}")
        answers.append(answer.out.split())
    growth = [float(last) - float(first) for _, first, last in answers]
    if min(growth) > MEGABYTES:
        raise Failure(f"memory grows by {growth[0]:.1f} and {growth[1]:.1f} MB")
    if answers[0][0] != answers[1][0]:
        raise Failure("another result when read again")
    return Verdict.SAME


def read(stream: Stream, material: Path) -> tuple[str, float, float]:
    """A checksum of all scores, and the memory in MB after the first tenth and at the end.

    A step is one of: a token in each of up to eight sessions, joined; a copy of a session; the end of one.
    """
    random = Random(stream.seed)
    steps = weft.load(material / stream.cell, weights=stream.weights, threads=1).steps
    vocabulary = steps.step(np.array([0]), steps.zero_state(1))[0].shape[1]
    sessions, checksum = [steps.zero_state(1)], hashlib.sha256()
    done, first = 0, 0.0
    while done < stream.tokens:
        if len(sessions) < 8 and random.random() < 0.02:
            sessions.append(copy.deepcopy(random.choice(sessions)))
        elif len(sessions) > 1 and random.random() < 0.02:
            sessions.pop(random.randrange(len(sessions)))
        ids = np.array([random.randrange(vocabulary) for _ in sessions])
        scores, state = steps.step(ids, join_states(sessions))
        if not np.isfinite(scores).all():
            raise Failure(f"scores that are not finite after {done} tokens")
        checksum.update(scores.tobytes())
        sessions = split_state(state)
        done += len(ids)
        if not first and done >= stream.tokens / 10:
            first = resident_megabytes()
    return checksum.hexdigest(), first, resident_megabytes()


def resident_megabytes() -> float:
    """The memory of this process."""
    (line,) = (line for line in Path("/proc/self/status").read_text("ascii").splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def quick(stream: Stream) -> bool:
    """Few tokens, and without the kernels of frozen models, which must first be compiled."""
    return stream.tokens <= SHORT


ABOUT = """A frozen model reads a million tokens and a plain one a hundred thousand, in up to eight sessions that are
joined for every step and split after it, copied and ended at random. Memory stays what it was after the first tenth,
and a second reading has the same checksum of all scores."""
KIND = Kind("soak", ABOUT, 1, 5, prepare, draw, check, REGRESSIONS, quick)

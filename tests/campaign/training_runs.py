"""Small trainings of many settings: their results, undisturbed and after a disturbance."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from campaign.kind import Failure, Room
from campaign.material import SMALL, must_run, write_text
from campaign.processes import Action, Answer, Running, run_weft, start_weft
from campaign.verdicts import check_ended, check_refusal
from helpers.command_line import FLAGS

RUN = "run"
SECONDS_TO_COMPILE = 300.0
"""How long the first training on fused kernels may take."""
SETTINGS: dict[str, list[str]] = {
    "lstm": [*SMALL, "--tokenizer=word", "--layers=2", "--dropout=0.3", "--epochs=3"],
    "gru, random blocks": [*SMALL, "--tokenizer=char", "--cell=gru", "--random-bptt", "--max-steps=60", "--bptt=20"],
    "rnn, plateau": [
        *SMALL, "--tokenizer=word", "--cell=rnn", "--optimizer=sgd", "--lr=2", "--schedule=plateau", "--epochs=4",
    ],
    "bpe": [*SMALL, "--tokenizer=bpe", "--vocab-size=300", "--cell=gru", "--epochs=1"],
    "ema": [
        *SMALL, "--tokenizer=word", "--ema=0.9", "--optimizer=momentum", "--lr=0.1", "--accumulate=2", "--epochs=3",
    ],
    "nt-asgd": [
        *SMALL, "--tokenizer=word", "--average-after=1", "--optimizer=sgd", "--lr=5", "--schedule=constant",
        "--epochs=5",
    ],
    "cosine, patience": [
        *SMALL, "--tokenizer=word", "--schedule=cosine", "--warmup=5", "--hold=0.3", "--patience=1", "--epochs=4",
    ],
    "regularized": [
        *SMALL, "--tokenizer=word", "--layers=2", "--layer-norm", "--tied", "--residual", "--weight-dropout=0.3",
        "--embedding-dropout=0.1", "--dropout-locked", "--dropout=0.2", "--activation-penalty=1",
        "--temporal-penalty=1", "--epochs=2",
    ],
    "adaptive": [*SMALL, "--tokenizer=word", "--output=adaptive", "--cutoffs=5", "--epochs=2"],
    "sampled": [*SMALL, "--tokenizer=word", "--output=sampled", "--samples=5", "--random-bptt", "--epochs=2"],
    "window": [*SMALL, "--tokenizer=word", "--cell=window", "--epochs=2"],
    "lstm, fused": [*FLAGS, "--kernels=fused", "--threads=2", "--tokenizer=word", "--dropout=0.3", "--epochs=3"],
    "gru, fused": [
        *FLAGS, "--kernels=fused", "--threads=1", "--tokenizer=word", "--cell=gru", "--ema=0.9", "--epochs=3",
    ],
}  # fmt: skip
"""Flags of trainings that take moments, by name; each has state of its own that a checkpoint must keep."""
FUSED = tuple(name for name in SETTINGS if "fused" in name)
OLD = [*SMALL, "--tokenizer=char", "--cell=rnn", "--epochs=1", "--seed=7", "--max-steps=20"]
"""Of the old run that a new one replaces."""

Result = tuple[bytes, str]
"""The file of the best model, and the metrics without those that depend on the clock."""


def training(settings: str, *more: str) -> list[str]:
    """The arguments of a training on the text of the material."""
    held_out = ["--valid-fraction=0.1", "--test-fraction=0.1"]
    return ["train", "../text.txt", *SETTINGS[settings], *held_out, "--out", RUN, *more]


def prepare_room(room: Room, old_run: bool = False) -> Path:
    """A folder for one run, below that of the case, which has the text; with the old run if asked for."""
    shutil.copy(room.material / "text.txt", room.folder)
    place = room.folder / "here"
    place.mkdir()
    if old_run:
        shutil.copytree(room.material / "old", place / RUN)
    return place


def result(run: Path) -> Result:
    """The result of a run that has ended; Failure if it is not complete."""
    try:
        metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]
        model = (run / "model.safetensors").read_bytes()
    except (OSError, ValueError) as error:
        raise Failure(f"no complete run: {error}") from None
    for line in metrics:
        del line["seconds"], line["tokens_per_second"]
    return model, json.dumps(metrics)


@dataclass
class Undisturbed:
    """An undisturbed training: its result, and what a counter in it has counted."""

    result: Result
    answer: Answer


_known: dict[tuple[str, ...], Undisturbed] = {}


def undisturbed(
    room: Room, settings: str, *more: str, old_run: bool = False, before: Action | None = None
) -> Undisturbed:
    """The training `training(settings, *more)`, run once in each process."""
    key = (settings, *more, str(old_run), getattr(before, "__name__", ""))
    if key not in _known:
        folder = Room(room.material, room.folder / "undisturbed")
        folder.folder.mkdir()
        place = prepare_room(folder, old_run)
        answer = run_weft(place, *training(settings, *more), before=before, seconds=SECONDS_TO_COMPILE)
        if answer.code != 0:
            raise RuntimeError(f"{settings} fails undisturbed: {answer}")
        _known[key] = Undisturbed(result(place / RUN), answer)
        shutil.rmtree(folder.folder)
    return _known[key]


def is_old(place: Path) -> bool:
    """Whether the run in `place` is the old one, after a command that reads it; Failure if it is neither."""
    config = place / RUN / "config.toml"
    check_ended(run_weft(place, "info", RUN))  # puts a new run in place that was complete
    return config.exists() and "seed = 7" in config.read_text("utf-8")


def check_old(place: Path, room: Room) -> None:
    """Raise Failure unless the old run is there, unchanged."""
    for path in (room.material / "old").rglob("*"):
        here = place / RUN / path.relative_to(room.material / "old")
        if path.is_file() and (not here.is_file() or here.read_bytes() != path.read_bytes()):
            raise Failure(f"the old run has lost or changed {here.relative_to(place)}")


def finish(place: Path, room: Room, settings: str, old_run: bool, before: Action | None = None) -> Answer:
    """Resume the run in `place`, or start it again where nothing of it was kept; how that ended.

    before: called in the process that does so, to disturb it again.
    """
    if old_run and is_old(place):
        check_old(place, room)
        return run_weft(place, *training(settings, "--overwrite"), before=before)
    answer = run_weft(place, "train", "--resume", "--out", RUN, before=before)
    if answer.code == 2 and ("no run folder at" in answer.err or "is not a run folder" in answer.err):
        check_refusal(answer)
        answer = run_weft(place, *training(settings, *["--overwrite"] * old_run), before=before)
    return answer


def check_result(place: Path, expected: Result) -> None:
    """Raise Failure unless the run has ended with the result of an undisturbed one, and has left nothing behind."""
    model, metrics = result(place / RUN)
    if model != expected[0]:
        raise Failure("another model than the undisturbed run's")
    if metrics != expected[1]:
        raise Failure(f"other metrics: {metrics} for {expected[1]}"[:400])
    left = list((place / RUN).rglob(".*"))
    if left:
        raise Failure(f"left behind: {', '.join(str(path.relative_to(place)) for path in left)}")


def prepare(material: Path) -> None:
    """The text and an old run."""
    write_text(material / "text.txt", 60)
    must_run(material, "train", "text.txt", *OLD, "--out", "old")


def start_training(place: Path, settings: str, *more: str, before: Action | None = None, name: str) -> Running:
    """Start a training; see `campaign.processes.Running`."""
    return start_weft(place, *training(settings, *more), before=before, name=name)

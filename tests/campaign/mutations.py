"""Damaged files: every command that reads a file refuses it in one line, or answers as if it were whole."""

from __future__ import annotations

import functools
import gzip
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import weft
from campaign.damage import CONTENTS, PLACES, damage
from campaign.kind import Kind, Room, Verdict
from campaign.material import SMALL, must_run, write_text
from campaign.processes import Action, run
from campaign.verdicts import verdict
from weft.commands.cli import main
from weft.errors import WeftError
from weft.word_ngram import load_arpa


@dataclass(frozen=True)
class Mutation:
    """`change` of `campaign.damage`, with a seed, to a file that the command `command` of COMMANDS reads."""

    command: str
    file: str
    change: str
    seed: int


@dataclass(frozen=True)
class Command:
    """A command and what it reads: files, or folders with all their files.

    streams: whether it answers line by line, before it has read everything.
    """

    action: Action
    reads: tuple[str, ...]
    streams: bool = False


def _weft(arguments: str, *reads: str, streams: bool = False) -> Command:
    return Command(functools.partial(main, arguments.split()), reads, streams)


def in_python() -> None:
    """The same model in Python; an error of weft is one line, as on the command line."""
    try:
        lm = weft.load("run")
        print(lm.perplexity("the cat sat"), lm.next("the", k=3), lm.generate("a", max_tokens=5, seed=1))
    except WeftError as error:
        raise SystemExit(_refused(error)) from None


def arpa_in_python() -> None:
    """An ARPA file in Python."""
    try:
        print(load_arpa("lm.arpa").perplexity("the cat sat"))
    except WeftError as error:
        raise SystemExit(_refused(error)) from None


def _refused(error: WeftError) -> int:
    import sys

    print(f"weft: {error}", file=sys.stderr)
    return 2


WEIGHTS = {"acoustic_weight": 0.5, "lm_weight": 1.5, "old_lm_weight": 0.1, "word_weight": -0.5, "oov_penalty_nats": 2.0}
_SIZES = "--hidden-size=4 --embedding-size=4 --layers=1 --batch-size=2 --bptt=5 --max-steps=3 --kernels=plain"
COMMANDS = {
    "eval": _weft("eval --run run", "run"),
    "eval text": _weft("eval other.txt --run run", "other.txt", "run"),
    "eval gz": _weft("eval other.txt.gz --run run", "other.txt.gz"),
    "eval dynamic": _weft("eval other.txt --run run --dynamic --dynamic-rule=rms", "run"),
    "score": _weft("score --file other.txt --run run --format jsonl", "other.txt", "run", streams=True),
    "score bpe": _weft("score --file other.txt --run bpe --format tsv", "other.txt", "bpe", streams=True),
    "next": _weft("next the --run run", "run"),
    "next bpe": _weft("next the --run bpe", "bpe"),
    "generate": _weft("generate --prompt the --seed 1 --max-tokens 20 --run run", "run", streams=True),
    "info": _weft("info run", "run"),
    "resume": _weft("train --resume --out run --epochs 3", "run"),
    "compare": _weft("compare run --baseline none --sample 50 --longest 3", "run"),
    "compare kn2": _weft("compare run --baseline kn2 --baseline window4 --sample 50 --longest 3", "run"),
    "mix": _weft("mix run lm.arpa --fit my.txt --text other.txt", "run", "lm.arpa", "my.txt", "other.txt"),
    "tune": _weft("tune --cache 20 --run run", "run"),
    "rescore": _weft(
        "rescore list.txt --format srilm --columns id,ascore,lscore,nwords,text --run run --weights weights.toml "
        "--references references.txt",
        "list.txt", "weights.toml", "references.txt", "run", streams=True,
    ),
    "rescore jsonl": _weft(
        "rescore list.jsonl --format jsonl --acoustic-key am --lm-key lm --jsonl --run run", "list.jsonl", streams=True
    ),
    "rescore kaldi": _weft(
        "rescore kaldi.txt --format kaldi --acoustic-costs kaldi.ac --lm-costs kaldi.lm --scores --run run",
        "kaldi.txt", "kaldi.ac", "kaldi.lm", streams=True,
    ),
    "ngram eval": _weft("ngram eval lm.arpa other.txt", "lm.arpa", "other.txt"),
    "ngram eval gz": _weft("ngram eval lm.arpa.gz other.txt.gz", "lm.arpa.gz", "other.txt.gz"),
    "ngram train": _weft("ngram train my.txt --order 2 --discount-fallback --out new.arpa", "my.txt"),
    "train": _weft(f"train other.txt --out new {_SIZES}", "other.txt"),
    "train config": _weft(f"train --config settings.toml --out new {_SIZES}", "settings.toml"),
    "python": Command(in_python, ("run",)),
    "python arpa": Command(arpa_in_python, ("lm.arpa",)),
}  # fmt: skip

REGRESSIONS: tuple[Mutation, ...] = (
    Mutation(command="info", file="run/metrics.jsonl", change="lost_range", seed=950503575),
    Mutation(command="next", file="run/config.toml", change="fifo", seed=74048153),
    Mutation(command="resume", file="run/checkpoints/*/training.json", change="fifo", seed=811532564),
)


def prepare(material: Path) -> None:
    """A run of words with baselines, one of byte pairs, an ARPA file, n-best lists, and settings."""
    write_text(material / "my.txt", 60)
    other = write_text(material / "other.txt", 12, seed=2, more_words=("zebra", "好"))
    (material / "other.txt.gz").write_bytes(gzip.compress(other.read_bytes(), mtime=0))
    splits = ["--valid-fraction=0.1", "--test-fraction=0.1"]
    must_run(material, "train", "my.txt", *SMALL, *splits, "--tokenizer=word", "--ema=0.9", "--epochs=2", "--out=run")
    must_run(
        material, "train", "my.txt", *SMALL, *splits, "--tokenizer=bpe", "--vocab-size=300", "--epochs=1", "--out=bpe"
    )
    must_run(material, "compare", "run", "--baseline=window4", "--sample=20")
    must_run(material, *["ngram", "train", "my.txt", "--order", "3", "--discount-fallback", "--out", "lm.arpa"])
    (material / "lm.arpa.gz").write_bytes(gzip.compress((material / "lm.arpa").read_bytes(), mtime=0))
    hypotheses = [("a", "the cat sat", -10.5, -3.25), ("a", "the cat", -11.0, -3.0), ("b", "a mat 好", -7.125, -2.5)]
    _write(material / "list.txt", (f"{id} {am} {lm} {len(text.split())} {text}" for id, text, am, lm in hypotheses))
    _write(
        material / "list.jsonl",
        (json.dumps({"id": id, "text": text, "am": am, "lm": lm}) for id, text, am, lm in hypotheses),
    )
    for name, column in (("txt", 1), ("ac", 2), ("lm", 3)):
        rows = (
            f"{each[0]}-{number} {str(each[column]).lstrip('-')}" for number, each in enumerate(hypotheses, start=1)
        )
        _write(material / f"kaldi.{name}", rows)
    _write(material / "references.txt", ["a the cat sat", "b a mat"])
    _write(material / "weights.toml", [f"{name} = {number}" for name, number in WEIGHTS.items()])
    settings = (material / "run" / "config.toml").read_text("utf-8").split("[tokens]")[0].partition("[text]")
    (material / "settings.toml").write_text("".join(settings[1:]), encoding="utf-8")


def _write(path: Path, lines: Iterator[str] | list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def draw(random: Random) -> Iterator[Mutation]:
    """A change to one of the files of a command; texts that are drawn, and pictures, are not read."""
    while True:
        command = random.choice(list(COMMANDS))
        file = _file(command, random)
        changes = list(CONTENTS) if random.random() < 0.9 else list(PLACES)
        if "/" not in file and "fifo" in changes:
            changes.remove("fifo")  # a pipe that is named is read, as every program does
        yield Mutation(command, file, random.choice(changes), random.randrange(10**9))


_RUN_FILES = (
    "config.toml", "tokenizer.json", "model.safetensors", "metrics.jsonl", "data/train.safetensors",
    "data/valid.safetensors", "data/valid.oov.safetensors", "data/test.safetensors", "data/test.oov.safetensors",
    "checkpoints/*/training.json", "checkpoints/*/training.safetensors", "checkpoints/*/model.safetensors",
)  # fmt: skip
_BASELINE_FILES = tuple(f"baselines/window4/{name}" for name in _RUN_FILES[:4])


def _file(command: str, random: Random) -> str:
    place = random.choice(COMMANDS[command].reads)
    if place not in ("run", "bpe"):
        return place
    return f"{place}/{random.choice(_RUN_FILES + _BASELINE_FILES * (command == 'compare kn2'))}"


def check(mutation: Mutation, room: Room) -> Verdict:
    """Damage the file in a copy of the material and run the command."""
    command = COMMANDS[mutation.command]
    expected = undisturbed(mutation.command, room)
    shutil.rmtree(room.folder)
    shutil.copytree(room.material, room.folder, symlinks=True)
    (path,) = room.folder.glob(mutation.file)
    changed = damage(path, mutation.change, mutation.seed)
    may_differ = not has_digest(path) or not changed
    return verdict(run(command.action, room.folder), expected, may_differ=may_differ, streams=command.streams)


_undisturbed: dict[str, str] = {}


def undisturbed(command: str, room: Room) -> str:
    """The standard output of a command on the whole files."""
    if command not in _undisturbed:
        shutil.rmtree(room.folder)
        shutil.copytree(room.material, room.folder)
        answer = run(COMMANDS[command].action, room.folder)
        if answer.code != 0:
            raise RuntimeError(f"{command} fails on whole files: {answer}")
        _undisturbed[command] = answer.out
    return _undisturbed[command]


def has_digest(path: Path) -> bool:
    """Whether a damaged file is of a run and still states a digest, so that another output cannot be right."""
    if path.name in ("metrics.jsonl", "settings.toml") or not path.is_file():
        return False
    return path.suffix in (".toml", ".json", ".safetensors") and b"digest" in path.read_bytes()


ABOUT = """One bit, byte, range, line, digit or value of a file is changed, or something that is no file takes its
place: every file of a run, texts, ARPA files, n-best lists, weights and settings, each through every command that reads
it. Files with a digest are refused or make no difference; other files may give another valid output."""
KIND = Kind("mutations", ABOUT, 80, 10_000, prepare, draw, check, REGRESSIONS)

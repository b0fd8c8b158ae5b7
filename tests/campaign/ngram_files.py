"""ARPA files and n-best lists from grammars: numbers of the textbook; after damage none, or possible ones."""

from __future__ import annotations

import gzip
import json
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisWarning

from campaign.kind import Failure, Kind, Room, Verdict
from campaign.material import SMALL, must_run, write_text
from campaign.processes import run_weft
from campaign.verdicts import verdict
from helpers.arpa_files import (
    ODD_WORDS,
    PLAIN_WORDS,
    STYLES,
    ArpaFile,
    Style,
    arpa_files,
    damaged_arpa_contents,
    line_lists,
)
from helpers.damage import damaged
from helpers.nbest_files import MODERATE, NBestFile, column_contents, damaged_kaldi_contents, json_contents, nbest_files

Drawn = TypeVar("Drawn")
BATCH = 30
"""Cases that are drawn together; simple ones come first in a batch."""
WEIGHTS = (0.5, 0.0, 0.25, -1.0)
"""Of the acoustic score, the model, the old model and words. Without the model a total needs no model's oracle."""


@dataclass(frozen=True)
class Arpa:
    """An ARPA file and a text; nats: of the whole text by the textbook, None after damage."""

    content: bytes
    text: str
    nats: float | None


@dataclass(frozen=True)
class NBest:
    """N-best lists in the files of a format; totals: by the textbook, None after damage."""

    format: str
    files: tuple[bytes, ...]
    totals: tuple[float, ...] | None


FORMATS: dict[str, str] = {
    "srilm": "rescore file0 --format srilm --columns id,ascore,lscore,nwords,text",
    "jsonl": "rescore file0 --format jsonl --acoustic-key am --lm-key lm",
    "kaldi": "rescore file0 --format kaldi --acoustic-costs file1 --lm-costs file2",
}
REGRESSIONS: tuple[Arpa | NBest, ...] = ()


def prepare(material: Path) -> None:
    """A model for rescoring."""
    write_text(material / "text.txt", 60)
    must_run(material, "train", "text.txt", *SMALL, "--tokenizer=word", "--epochs=1", "--max-steps=5", "--out=run")


def draw(random: Random) -> Iterator[Arpa | NBest]:
    """A valid and a damaged file in turn, of ARPA files and of the formats of lists."""
    odd = examples(st.builds(_valid_arpa, arpa_files(ODD_WORDS), STYLES, line_lists()), random)
    plain = examples(st.builds(_valid_arpa, arpa_files(PLAIN_WORDS), STYLES, line_lists()), random)
    broken = examples(st.builds(_damaged_arpa, damaged_arpa_contents(), line_lists()), random)
    lists = examples(st.builds(_valid_list, nbest_files(MODERATE), st.sampled_from(list(FORMATS))), random)
    columns = examples(column_contents().flatmap(lambda content: damaged(st.just(content))), random)
    objects = examples(json_contents().flatmap(lambda content: damaged(st.just(content))), random)
    costs = examples(damaged_kaldi_contents(), random)
    while True:
        yield from (next(odd), next(broken), next(plain), next(broken))
        yield next(lists)
        yield NBest("srilm", (next(columns),), None)
        yield next(lists)
        yield NBest("jsonl", (next(objects),), None)
        yield NBest("kaldi", next(costs), None)


def examples(strategy: st.SearchStrategy[Drawn], random: Random) -> Iterator[Drawn]:
    """Examples of a strategy without end, the same for the same random numbers."""
    batch: list[Drawn] = []
    while True:
        batch.clear()
        chosen = settings(
            max_examples=BATCH, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck),
            deadline=None,
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", HypothesisWarning)
            seed(random.randrange(2**32))(chosen(given(strategy)(lambda example: batch.append(example))))()
        yield from list(batch)


def _valid_arpa(file: ArpaFile, style: Style, lines: Sequence[Sequence[str]]) -> Arpa:
    lines = [*lines, ["a"]]
    nats = sum(log10 for line in lines for log10 in file.line(line)) * math.log(10)
    return Arpa(file.content(style), _text(lines), nats)


def _damaged_arpa(content: bytes, lines: Sequence[Sequence[str]]) -> Arpa:
    return Arpa(content, _text([*lines, ["a"]]), None)


def _text(lines: Sequence[Sequence[str]]) -> str:
    return "".join(" ".join(line) + "\n" for line in lines)


def _valid_list(file: NBestFile, format: str) -> NBest:
    files = {"srilm": (file.columns(),), "jsonl": (file.json_lines(),), "kaldi": file.kaldi()}[format]
    base = math.log(10) if format == "srilm" else 1.0
    return NBest(format, files, tuple(file.totals(WEIGHTS, base, 0.0, nwords=format == "srilm")))


def check(case: Arpa | NBest, room: Room) -> Verdict:
    """Evaluate the text, or rescore the lists."""
    return _check_arpa(case, room) if isinstance(case, Arpa) else _check_list(case, room)


def _check_arpa(case: Arpa, room: Room) -> Verdict:
    (room.folder / "text.txt").write_text(case.text, encoding="utf-8")
    compressed = len(case.content) % 4 == 0
    name = "model.arpa.gz" if compressed else "model.arpa"
    (room.folder / name).write_bytes(gzip.compress(case.content) if compressed else case.content)
    answer = run_weft(room.folder, "ngram", "eval", name, "text.txt")
    result = verdict(answer, may_differ=True)
    if case.nats is None:
        return result
    if result == Verdict.REFUSED:
        raise Failure(f"a valid file is refused: {answer.err[-300:]!r}")
    found = float(answer.out.partition("total_nats\t")[2].partition("\n")[0])
    if not math.isclose(found, -case.nats, rel_tol=1e-6, abs_tol=1e-3):
        raise Failure(f"{found} nats in place of {-case.nats}")
    return Verdict.SAME


def _check_list(case: NBest, room: Room) -> Verdict:
    for number, content in enumerate(case.files):
        (room.folder / f"file{number}").write_bytes(content)
    names = ("--acoustic-weight", "--lm-weight", "--old-lm-weight", "--word-weight")
    weights = [f"{name}={value}" for name, value in zip(names, WEIGHTS, strict=True)]
    command = [*FORMATS[case.format].split(), "--jsonl", *weights, "--run", room.material / "run"]
    answer = run_weft(room.folder, *command)
    result = verdict(answer, may_differ=True, streams=True)
    if case.totals is None:
        return result
    if result == Verdict.REFUSED:
        raise Failure(f"a valid list is refused: {answer.err[-300:]!r}")
    found = [json.loads(line)["weft_total_nats"] for line in answer.out.split("\n")[:-1]]
    near = [
        math.isclose(ours, theirs, rel_tol=1e-6, abs_tol=1e-4) for ours, theirs in zip(found, case.totals, strict=True)
    ]
    if not all(near):
        raise Failure(f"totals {found} in place of {list(case.totals)}")
    return Verdict.SAME


ABOUT = """ARPA files and n-best lists (SRILM, Kaldi, JSON lines) from grammars: valid ones in every style of their
writers, and damaged ones. A valid file has the numbers of the textbook's definition, computed with dictionaries; a
damaged one is refused in one line, or has finite numbers and no probability above 1."""
KIND = Kind("ngram-files", ABOUT, 27, 2000, prepare, draw, check, REGRESSIONS)

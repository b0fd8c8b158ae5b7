"""Odd texts: every command counts the same tokens and unknown words, and finds the same perplexity."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import NamedTuple

import weft
from campaign.kind import Failure, Kind, Room, Verdict
from campaign.material import SMALL, must_run, write_text
from campaign.processes import Action, Answer, run, run_weft
from campaign.verdicts import verdict
from helpers.odd_texts import NOT_TEXT, TEXTS, random_texts
from weft.errors import WeftError

TOKENIZERS = ("word", "char", "bpe")
DIGITS = 2e-4
"""Relative difference of perplexities that rounding allows: some are printed with four digits after the point."""


@dataclass(frozen=True)
class Text:
    """A text, read by a model with this tokenizer."""

    tokenizer: str
    text: str


REGRESSIONS: tuple[Text, ...] = ()


class Measured(NamedTuple):
    """What a reader found in a text; None where it does not say."""

    tokens: int | None
    unknown: int | None = None
    perplexity: float | None = None


def prepare(material: Path) -> None:
    """A model of each tokenizer and an ARPA file, of one text."""
    write_text(material / "text.txt", 60)
    for kind in TOKENIZERS:
        vocabulary = ["--vocab-size=300"] * (kind == "bpe")
        must_run(
            material, "train", "text.txt", *SMALL, "--epochs=1", "--max-steps=10", "--valid-fraction=0",
            "--test-fraction=0", "--tokenizer", kind, *vocabulary, "--out", kind,
        )  # fmt: skip
    must_run(material, *["ngram", "train", "text.txt", "--order", "2", "--discount-fallback", "--out", "lm.arpa"])


def draw(random: Random) -> Iterator[Text]:
    """The named texts in random order, with random ones between."""
    named = random.sample([*TEXTS.values(), *NOT_TEXT.values()], k=len(TEXTS) + len(NOT_TEXT))
    for text in random_texts(random.randrange(10**9)):
        yield Text(random.choice(TOKENIZERS), named.pop() if named else text)
        yield Text("word", text)


def check(case: Text, room: Room) -> Verdict:
    """Measure the text in every way, and compare."""
    file = room.folder / "text.txt"
    file.write_bytes(case.text.encode("utf-8", errors="surrogateescape"))
    run_folder = room.material / case.tokenizer
    readers: dict[str, Answer] = {
        "eval": run_weft(room.folder, "eval", "text.txt", "--run", run_folder),
        "score": run_weft(room.folder, "score", "-f", "text.txt", "--run", run_folder, "--format=jsonl", "--running"),
        "score lines": run_weft(room.folder, "score", "-f", "text.txt", "--run", run_folder, "--format=jsonl"),
        "evaluate in Python": run(_evaluate(run_folder, case.text), room.folder),
        "perplexity in Python": run(_perplexity(run_folder, case.text), room.folder),
    }
    if case.tokenizer == "word":
        readers["ngram"] = run_weft(room.folder, "ngram", "eval", room.material / "lm.arpa", "text.txt")
        readers["train"] = run_weft(
            room.folder, "train", "text.txt", *SMALL, "--hidden-size=2", "--embedding-size=2", "--max-steps=1",
            "--batch-size=1", "--bptt=1", "--valid-fraction=0", "--test-fraction=0", "--tokenizer=word", "--out=new",
        )  # fmt: skip
    found: dict[str, Measured | None] = {}
    for name, answer in readers.items():
        try:
            refused = verdict(answer, answer.out, streams=name.startswith("score")) == Verdict.REFUSED
        except Failure as failure:
            raise Failure(f"{name}: {failure}") from None
        found[name] = None if refused else _measured(name, answer, room.folder)
    return _compared(found, readers)


def _compared(found: dict[str, Measured | None], readers: dict[str, Answer]) -> Verdict:
    expected = found["eval"]
    for name, measured in found.items():
        if (measured is None) != (expected is None):
            if name == "train" and "need at least" in readers[name].err:  # too short to train on
                continue
            one = readers[name if measured is None else "eval"].err
            raise Failure(f"{name} and eval: only one of them refuses the text: {one[-200:]!r}")
        if measured is None or expected is None:
            continue
        if measured.tokens not in (None, expected.tokens):
            raise Failure(f"{name} counts {measured.tokens} tokens, eval {expected.tokens}")
        if measured.unknown not in (None, expected.unknown):
            raise Failure(f"{name} counts {measured.unknown} unknown tokens, eval {expected.unknown}")
        ours, theirs = measured.perplexity, expected.perplexity
        if ours is not None and theirs is not None and not math.isclose(ours, theirs, rel_tol=DIGITS):
            raise Failure(f"{name} finds a perplexity of {ours}, eval {theirs}")
    return Verdict.REFUSED if expected is None else Verdict.SAME


def _measured(name: str, answer: Answer, folder: Path) -> Measured:
    if name in ("eval", "ngram"):
        rows = dict(line.split("\t") for line in answer.out.split("\n")[:-1])
        perplexity = float(rows["perplexity_including_oov"]) if name == "eval" else None
        return Measured(int(rows["tokens"]), int(rows["oov_tokens"]), perplexity)
    if name.startswith("score"):
        scores = [json.loads(line) for line in answer.out.split("\n")[:-1]]
        perplexity = math.exp(-sum(score["logprob_nats"] for score in scores) / len(scores))
        unknown = sum(score["oov"] for score in scores)
        return Measured(len(scores), unknown, perplexity if name == "score" else None)
    if name == "train":
        config = (folder / "new" / "config.toml").read_text("utf-8")
        return Measured(int(re.findall(r"^\[tokens\]\ntrain = (\d+)$", config, re.MULTILINE)[0]))
    return Measured(*json.loads(answer.out))


def _evaluate(run_folder: Path, text: str) -> Action:
    def action() -> None:
        evaluation = weft.load(run_folder).evaluate(text)
        print(json.dumps([evaluation.loss.tokens, evaluation.oov_loss.tokens, evaluation.perplexity]))

    return _refusing(action)


def _perplexity(run_folder: Path, text: str) -> Action:
    def action() -> None:
        print(json.dumps([None, None, weft.load(run_folder).perplexity(text)]))

    return _refusing(action)


def _refusing(action: Action) -> Action:
    """The action, with errors of weft as on the command line."""

    def refusing() -> None:
        try:
            action()
        except WeftError as error:
            print(f"weft: {error}", file=sys.stderr)
            raise SystemExit(2) from None

    return refusing


ABOUT = """Texts with odd line ends, blanks, marks, scripts, long words and bytes that are not text are read by `train`,
`eval`, `score`, `ngram eval` and in Python, by models of words, characters and byte pairs. All refuse the text, or all
count the same tokens and unknown words and find the same perplexity within rounding."""
KIND = Kind("texts", ABOUT, 8, 2000, prepare, draw, check, REGRESSIONS)

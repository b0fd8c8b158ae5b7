"""Every command and every method reads an odd text in the same tokens, with the same unknown words and perplexity."""

from __future__ import annotations

import gzip
import io
import json
import math
import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings

import weft
from helpers.command_line import SIZES, Answer, RunWeft, write_text
from helpers.odd_texts import NOT_TEXT, TEXTS, odd_texts, random_texts
from weft.errors import InputError
from weft.language_model import LanguageModel
from weft.run_folder import oov_path, tokens_path
from weft.text.tokens import open_tokens

KINDS = ("word", "char")


class Read(NamedTuple):
    """What a reader finds in a text."""

    tokens: int
    oov: int
    perplexity: float


class Runs(NamedTuple):
    """The run folders by kind, and an ARPA file of the same words."""

    folders: dict[str, Path]
    arpa: Path


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    folder = tmp_path_factory.mktemp("odd")
    text = write_text(folder / "my.txt")
    folders = {kind: folder / kind for kind in KINDS}
    for kind in KINDS:
        weft.train(text, out=folders[kind], epochs=1, tokenizer=kind, **SIZES)
    from weft.commands.cli import main

    with pytest.raises(SystemExit):
        main(["ngram", "train", str(text), "--order", "2", "--discount-fallback", "--out", str(folder / "my.arpa")])
    return Runs(folders, folder / "my.arpa")


@pytest.fixture(scope="module")
def models(runs: Runs) -> dict[str, LanguageModel]:
    return {kind: weft.load(folder) for kind, folder in runs.folders.items()}


def as_read(text: str) -> str:
    """The text with one kind of line end, at the end of its last line too, and without marks before its lines."""
    text = re.sub("(^|\n)\ufeff+", r"\1", re.sub("\r*(\n|\\Z)", r"\1", text))
    return text if text.endswith("\n") else f"{text}\n"


def tokens_of(text: str, kind: str, known: set[str]) -> list[bool]:
    """For every token of a text, by the rules as the documentation states them, whether it is unknown."""
    unknown: list[bool] = []
    for line in as_read(text)[:-1].split("\n"):
        units = [unit for unit in re.split("[\0\t\r ]", line) if unit] if kind == "word" else list(line)
        # A literal <unk> is unknown, since the training text has none; a literal <eos> is a line end among words.
        unknown += [unit not in known or (kind == "word" and unit == "<unk>") for unit in units] + [False]
    return unknown


def rows_of(answer: Answer) -> dict[str, str]:
    assert answer.code == 0, answer.err
    return dict(line.split("\t") for line in answer.out.rstrip("\n").split("\n"))


def evaluated(answer: Answer) -> Read:
    rows = rows_of(answer)
    tokens = int(rows["tokens"])
    return Read(tokens, int(rows["oov_tokens"]), math.exp(float(rows["total_nats"]) / tokens))


def scored(answer: Answer) -> Read:
    assert answer.code == 0, answer.err
    rows = [json.loads(line) for line in answer.out.rstrip("\n").split("\n")]
    nats = math.fsum(row["logprob_nats"] for row in rows)
    return Read(len(rows), sum(row["oov"] for row in rows), math.exp(-nats / len(rows)))


def assert_same(found: Read, expected: Read) -> None:
    assert found[:2] == expected[:2]
    assert found.perplexity == pytest.approx(expected.perplexity, rel=1e-4)


def in_python(lm: LanguageModel, text: str) -> Iterator[Read]:
    """What the methods of a model find in a text, given in several forms."""
    lines = io.StringIO(text, newline="\n").readlines()
    if not lines[-1].lstrip("\ufeff").rstrip("\r"):
        lines.pop()  # at the end of a text no line, but in a list an empty one
    for form in (text, [text], lines):
        found = lm.evaluate(form)
        yield Read(found.loss.tokens, found.oov_loss.tokens, found.perplexity)
    for lists in (lm.score_running(text), lm.score_running(lines), [lm.scores(text)], [lm.scores(lines)]):
        scores = [score for line in lists for score in line]
        nats = math.fsum(score.logprob_nats for score in scores)
        yield Read(len(scores), sum(score.oov for score in scores), math.exp(-nats / len(scores)))
    tokens, oov, _ = found.loss.tokens, found.oov_loss.tokens, found
    yield Read(tokens, oov, lm.perplexity(text))
    yield Read(tokens, oov, lm.perplexity(lines))
    yield Read(tokens, oov, math.exp(-lm.logprob(text) / tokens))
    if tokens < 3000:  # single steps take long
        ended = as_read(text)
        yield Read(tokens, oov, math.exp(-lm.start().push(ended).logprob_nats / tokens))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", TEXTS)
def test_an_odd_text_has_the_same_tokens_for_every_reader(
    run_weft: RunWeft, runs: Runs, models: dict[str, LanguageModel], kind: str, name: str
) -> None:
    text, lm, run = TEXTS[name], models[kind], runs.folders[kind]
    unknown = tokens_of(text, kind, {*lm.tokenizer.tokens})
    data = text.encode("utf-8")
    Path("odd.txt").write_bytes(data)
    expected = evaluated(run_weft("eval", "odd.txt", "--run", run))
    assert expected[:2] == (len(unknown), sum(unknown))
    Path("odd.txt.gz").write_bytes(gzip.compress(data))
    jsonl = ("--format", "jsonl", "--running", "--run", run)
    readers = 2 if len(unknown) > 6000 else 99  # of a long text by characters, which takes long
    answers: tuple[Callable[[], Read], ...] = (
        lambda: scored(run_weft("score", "--file", "odd.txt", *jsonl)),
        lambda: next(in_python(lm, text)),
        lambda: scored(run_weft("score", *jsonl, stdin=data)),
        lambda: scored(run_weft("score", text, *jsonl)),
        lambda: evaluated(run_weft("eval", "odd.txt.gz", "--run", run, "--bptt", 7, "--batch-size", 2)),
        lambda: evaluated(run_weft("eval", "-", "--run", run, stdin=data)),
    )
    for answer in answers[:readers]:
        assert_same(answer(), expected)
    for found in in_python(lm, text) if len(unknown) <= 6000 else ():
        assert_same(found, expected)
    separate = scored(run_weft("score", "--file", "odd.txt", "--format", "jsonl", "--run", run))
    lines = [score for scores in lm.score_lines(text) for score in scores]
    assert separate[:2] == (len(lines), sum(score.oov for score in lines)) == expected[:2]


@pytest.mark.parametrize("name", TEXTS)
def test_n_gram_models_and_mixtures_read_the_words_of_a_run(run_weft: RunWeft, runs: Runs, name: str) -> None:
    text, run, arpa = TEXTS[name], runs.folders["word"], runs.arpa
    Path("odd.txt").write_bytes(text.encode("utf-8"))
    ngram = evaluated(run_weft("ngram", "eval", arpa, "odd.txt"))
    recurrent = evaluated(run_weft("eval", "odd.txt", "--run", run))
    assert ngram[:2] == recurrent[:2]
    answer = run_weft("mix", run, arpa, "--fit", "odd.txt")
    assert answer.code == 0, answer.err
    rows = [line.split("\t") for line in answer.out.rstrip("\n").split("\n")[1:]]
    for (_, _, _, tokens, oov, perplexity, _), found in zip(rows, (recurrent, ngram), strict=False):
        assert_same(Read(int(tokens), int(oov), float(perplexity)), found)


@pytest.mark.parametrize("name", TEXTS)
def test_the_hypotheses_of_a_list_have_the_words_of_a_text(run_weft: RunWeft, runs: Runs, name: str) -> None:
    lines = [line for line in as_read(TEXTS[name]).split("\n") if line]
    rows = [json.dumps({"id": number, "text": line}) for number, line in enumerate(lines)]
    run = runs.folders["word"]
    answer = run_weft("rescore", "--format", "jsonl", "--jsonl", "--run", run, stdin="\n".join(rows).encode())
    assert answer.code == 0, answer.err
    lm = weft.load(run)
    for row, line in zip(answer.out.rstrip("\n").split("\n"), lines, strict=True):
        scores = lm.scores(line)
        assert json.loads(row)["weft_oov_tokens"] == sum(score.oov for score in scores)
        total = math.fsum(score.logprob_nats for score in scores)
        assert json.loads(row)["weft_logprob_nats"] == pytest.approx(total, rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_training_reads_the_tokens_that_evaluation_reads(runs: Runs, tmp_path: Path, kind: str) -> None:
    whole = "".join(text if text.endswith("\n") else f"{text}\n" for text in TEXTS.values())
    Path("odd.txt").write_bytes(whole.encode("utf-8"))
    text = write_text(tmp_path / "my.txt")
    lm = weft.train(text, out="run", valid="odd.txt", epochs=1, max_steps=1, tokenizer=kind, **SIZES)
    ids, oov = open_tokens(tokens_path(Path("run"), "valid")), open_tokens(oov_path(Path("run"), "valid"))
    unknown = tokens_of(whole, kind, {*lm.tokenizer.tokens})
    assert list(oov[:]) == unknown
    assert list(ids[:]) == lm.tokenizer.encode(as_read(whole))
    trained = weft.train("odd.txt", out="odd", epochs=1, max_steps=1, tokenizer=kind, valid_fraction=0.0, **SIZES)
    assert len(open_tokens(tokens_path(Path("odd"), "train"))) == len(unknown)
    assert trained.evaluate(whole).oov_loss.tokens == 0


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=odd_texts())
@example(text="the cat\n\ufeff\r\r")
@example(text="\ufeff\r\ufeffthe \ufeff\r\n\r\ufeff")
def test_any_text_is_read_alike_in_python(models: dict[str, LanguageModel], kind: str, text: str) -> None:
    lm = models[kind]
    unknown = tokens_of(text, kind, {*lm.tokenizer.tokens})
    first, *others = in_python(lm, text)
    assert first[:2] == (len(unknown), sum(unknown))
    for other in others:
        assert_same(other, first)


@pytest.mark.parametrize("kind", KINDS)
def test_random_texts_are_read_alike_from_files_and_in_python(
    run_weft: RunWeft, runs: Runs, models: dict[str, LanguageModel], kind: str
) -> None:
    lm, run = models[kind], runs.folders[kind]
    for text in islice(random_texts(1), 30):
        Path("odd.txt").write_bytes(text.encode("utf-8"))
        expected = evaluated(run_weft("eval", "odd.txt", "--run", run))
        for found in in_python(lm, text):
            assert_same(found, expected)


def test_what_is_no_text_is_refused_by_every_reader(
    run_weft: RunWeft, runs: Runs, models: dict[str, LanguageModel]
) -> None:
    run = runs.folders["word"]
    for name, text in NOT_TEXT.items():
        Path("odd.txt").write_bytes(text.encode("utf-8", "surrogateescape"))
        hypothesis = Path("odd.jsonl")
        hypothesis.write_text(json.dumps({"id": 1, "text": text}))
        reason = "zero byte|not UTF-8|NUL|surrogate"
        for command in (
            ("eval", "odd.txt", "--run", run),
            ("score", text, "--run", run),
            ("score", "--file", "odd.txt", "--running", "--run", run),
            ("next", text, "--run", run),
            ("generate", "--prompt", text, "--run", run),
            ("ngram", "eval", runs.arpa, "odd.txt"),
            ("ngram", "train", "odd.txt", "--out", "odd.arpa"),
            ("mix", run, runs.arpa, "--fit", "odd.txt"),
            ("train", "odd.txt", "--out", "odd"),
            ("rescore", "odd.jsonl", "--format", "jsonl", "--run", run),
        ):
            answer = run_weft(*command)
            assert answer.code == 2, (name, command)
            assert re.search(reason, answer.err), (name, command)
        for lm in models.values():
            methods: list[Callable[[str], Any]] = [lm.perplexity, lm.logprob, lm.evaluate, lm.next, lm.generate]
            for read in (*methods, lm.scores, lm.start().push):
                with pytest.raises(InputError, match=reason):
                    read(text)
            with pytest.raises(InputError, match=reason):
                next(lm.score_lines([text]))


def test_a_marker_is_a_line_end_for_every_reader(run_weft: RunWeft, runs: Runs, tmp_path: Path) -> None:
    marked, plain = "the cat </s>\nsat on </s> \na mat", "the cat\nsat on\na mat\n"
    Path("marked.txt").write_text(marked, "utf-8")
    Path("plain.txt").write_text(plain, "utf-8")
    run, option = runs.folders["word"], ("--line-end-marker", "</s>")
    expected = evaluated(run_weft("eval", "plain.txt", "--run", run))
    assert evaluated(run_weft("eval", "marked.txt", "--run", run)).tokens == expected.tokens + 2
    assert_same(evaluated(run_weft("eval", "marked.txt", "--run", run, *option)), expected)
    jsonl = ("--format", "jsonl", "--running", "--run", run, *option)
    assert_same(scored(run_weft("score", "--file", "marked.txt", *jsonl)), expected)
    assert_same(scored(run_weft("score", marked, *jsonl)), expected)
    ngram = evaluated(run_weft("ngram", "eval", runs.arpa, "plain.txt"))
    assert evaluated(run_weft("ngram", "eval", runs.arpa, "marked.txt", *option)) == ngram
    mixed = run_weft("mix", run, runs.arpa, "--fit", "plain.txt").out
    assert run_weft("mix", run, runs.arpa, "--fit", "marked.txt", *option).out == mixed
    lists = {name: json.dumps({"id": 1, "text": f"the cat{end}"}).encode() for name, end in (("a", ""), ("b", " </s>"))}
    rescored = [
        json.loads(run_weft("rescore", "--format", "jsonl", "--jsonl", "--run", run, *option, stdin=each).out)
        for each in lists.values()
    ]
    assert rescored[0]["weft_logprob_nats"] == rescored[1]["weft_logprob_nats"]
    Path("train.txt").write_text(write_text(tmp_path / "my.txt").read_text("utf-8").replace("\n", " </s>\n"), "utf-8")
    lm = weft.train(
        "train.txt", out="run", tokenizer="word", epochs=1, line_end_marker="</s>", valid="marked.txt", **SIZES
    )
    assert lm.tokenizer.id("</s>") is None
    assert len(open_tokens(tokens_path(Path("run"), "valid"))) == expected.tokens
    again = weft.load("run")
    assert again.perplexity(marked) == again.perplexity(plain)
    assert again.logprob(marked) == again.logprob(plain)
    assert [s.token for line in again.score_lines(marked) for s in line][2] == "<eos>"
    assert evaluated(run_weft("eval", "marked.txt", "--run", "run")).tokens == expected.tokens
    np.testing.assert_allclose(again.evaluate(marked.split("\n")).perplexity, again.perplexity(plain), rtol=1e-5)

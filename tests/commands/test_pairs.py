"""`weft pairs`: accuracy by condition, rows of pairs, several models, and errors in one line."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from pathlib import Path

import pytest

import weft
from helpers.command_line import SIZES, OnTerminal, RunWeft
from helpers.data import DATA, needs_data

ROWS = [
    {"sentence_good": "the cat sat", "sentence_bad": "the cat ran", "kind": "x", "UID": "u1"},
    {"sentence_good": "a dog ran on", "sentence_bad": "a dog on ran", "kind": "x", "UID": "u2"},
    {"sentence_good": "the zebra sat", "sentence_bad": "the gnu sat", "kind": "y", "UID": "u2"},
    {"sentence_good": "it slept", "sentence_bad": "it it it slept", "kind": "y", "UID": "u2"},
]  # fmt: skip


@pytest.fixture
def blimp() -> str:
    Path("my.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return "my.jsonl"


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), delimiter="\t"))


def test_pairs_have_the_difference_of_the_sentences(run_weft: RunWeft, trained: Path, blimp: str) -> None:
    answer = run_weft("pairs", blimp, "--run", trained, "--rows", "pairs", "--by", "kind")
    lm, rows = weft.load(trained), rows_of(answer.out)
    for number, (row, pair) in enumerate(zip(rows, ROWS, strict=True)):
        nats = lm.logprob(pair["sentence_good"]) - lm.logprob(pair["sentence_bad"])
        assert float(row["difference_bits"]) == pytest.approx(nats / math.log(2), abs=1e-4)
        assert row["correct"] == str(int(float(row["difference_bits"]) > 0))
        assert (row["model"], row["pair"], row["kind"]) == ("trained", str(number), pair["kind"])
        assert (row["good"], row["bad"]) == (pair["sentence_good"], pair["sentence_bad"])
    assert (rows[2]["good_oov"], rows[2]["bad_oov"], rows[2]["difference_bits"]) == ("zebra", "gnu", "0.000000")
    assert "trained: 1 of 4 pairs have words outside the vocabulary in what is compared" in answer.err
    assert "trained: 1 pairs are ties" in answer.err
    objects = [
        json.loads(line)
        for line in run_weft("pairs", blimp, "--run", trained, "--rows", "pairs", "--format", "jsonl").out.splitlines()
    ]
    assert [f"{each['difference_bits']:.6f}" for each in objects] == [row["difference_bits"] for row in rows]
    assert [each["correct"] for each in objects] == [row["correct"] == "1" for row in rows]


def test_accuracy_by_condition(run_weft: RunWeft, trained: Path, blimp: str) -> None:
    pairs = rows_of(run_weft("pairs", blimp, "--run", trained, "--rows", "pairs").out)
    right = [row["correct"] == "1" for row in pairs]
    rows = rows_of(run_weft("pairs", blimp, "--run", trained, "--by", "kind", "--by", "UID").out)
    groups = {"": right, "x": right[:2], "y": right[2:], "u1": right[:1], "u2": right[1:]}
    assert [row["value"] for row in rows] == list(groups)
    for row, group in zip(rows, groups.values(), strict=True):
        assert (int(row["pairs"]), int(row["correct"])) == (len(group), sum(group))
        assert float(row["accuracy"]) == pytest.approx(sum(group) / len(group), abs=1e-6)
    assert (rows[0]["known_pairs"], rows[0]["ties"], rows[0]["undefined"]) == ("3", "1", "0")
    differences = [float(row["difference_bits"]) for row in pairs]
    assert float(rows[0]["mean_difference_bits"]) == pytest.approx(math.fsum(differences) / 4, abs=1e-5)
    by_default = rows_of(run_weft("pairs", blimp, "--run", trained).out)
    assert [(row["condition"], row["value"]) for row in by_default] == [("all", ""), ("UID", "u1"), ("UID", "u2")]


def test_targets_alone(run_weft: RunWeft, trained: Path, blimp: str) -> None:
    answer = run_weft("pairs", blimp, "--run", trained, "--compare", "target", "--rows", "pairs")
    rows = rows_of(answer.out)
    lm = weft.load(trained)
    bits = [dict(lm.surprisal(f"the cat {word}", eos=False))[word] for word in ("sat", "ran")]
    assert float(rows[0]["good_bits"]) == pytest.approx(bits[0], abs=1e-5)
    assert float(rows[0]["bad_bits"]) == pytest.approx(bits[1], abs=1e-5)
    assert (rows[3]["good_bits"], rows[3]["difference_bits"], rows[3]["correct"]) == ("", "", "")
    assert "trained: 1 pairs are left out" in answer.err


def test_the_layouts_give_the_same_rows(run_weft: RunWeft, trained: Path, blimp: str) -> None:
    good, bad = ([row[key] for row in ROWS] for key in ("sentence_good", "sentence_bad"))
    Path("good.txt").write_text("".join(f"{line}\n" for line in good))
    Path("bad.txt").write_text("".join(f"{line}\n" for line in bad))
    Path("both").write_text("".join(f"{a}\t{b}\n" for a, b in zip(good, bad, strict=True)))
    common = ("--run", trained, "--rows", "pairs", "--by", "none")
    expected = run_weft("pairs", blimp, *common[:-2], "--by", "kind").out
    without = [line.split("\t") for line in expected.splitlines()]
    expected_rows = [[*line[:2], *line[3:]] for line in without]
    for arguments in (["good.txt", "bad.txt"], ["both"], ["-", "--layout", "tsv"]):
        found = run_weft("pairs", *arguments, *common[:-2], stdin=Path("both").read_bytes()).out
        assert [line.split("\t") for line in found.splitlines()] == expected_rows


def test_several_runs(run_weft: RunWeft, on_terminal: OnTerminal, trained: Path, text: Path, blimp: str) -> None:
    weft.train(text, out="other", epochs=1, tokenizer="char", **SIZES)
    both = ("--run", trained, "--run", "other")
    rows = rows_of(run_weft("pairs", blimp, *both, "--png", "pairs.png").out)
    assert [row["model"] for row in rows] == ["trained"] * 3 + ["other"] * 3
    assert Path("pairs.png").read_bytes().startswith(b"\x89PNG")
    shown = on_terminal("pairs", blimp, *both)
    assert shown.code == 0
    assert max(map(len, re.sub(r"\x1b\[[0-9;]*m", "", shown.out).splitlines())) <= 80
    assert "UID=u1" in shown.out
    pairs = on_terminal("pairs", blimp, "--run", trained, "--rows", "pairs")
    assert "zebra" in pairs.out
    assert "once" in run_weft("pairs", "-", *both).refusal()


def test_without_pairs_only_the_header_is_written(run_weft: RunWeft, trained: Path) -> None:
    Path("empty.tsv").write_text("")
    for rows in ("conditions", "pairs"):
        answer = run_weft("pairs", "empty.tsv", "--run", trained, "--rows", rows, "--png", "x.png")
        assert answer.code == 0
        assert len(rows_of(answer.out)) == (1 if rows == "conditions" else 0)


def test_pairs_before_an_error_are_written(run_weft: RunWeft, trained: Path) -> None:
    Path("my.tsv").write_text("the cat\tthe mat\na dog\ta mat\nthird\n")
    answer = run_weft("pairs", "my.tsv", "--run", trained, "--rows", "pairs")
    assert answer.code == 2
    assert len(rows_of(answer.out)) == 2
    assert answer.err.endswith("weft: my.tsv, line 3: expected 2 fields separated by tabs, got 1\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.tsv"], "there is no file none.tsv"),
        (["my.jsonl", "--by", "kin"], "the first pair has no condition 'kin' (did you mean \"kind\"?)"),
        (["my.jsonl", "--layout", "lines"], "the layout lines is of 2 files, got 1"),
        (["my.jsonl", "a", "b"], "the layout jsonl is of 1 file, got 3"),
        (["my.jsonl", "--layout", "json"], '--layout must be one of jsonl, tsv, lines, agreement, got \'json\''),
        (["my.jsonl", "--compare", "words"], "--compare must be one of sentence, target, got 'words'"),
        (["my.jsonl", "--rows", "all"], "--rows must be one of conditions, pairs"),
        (["my.jsonl", "--batch-size", "0"], "'--batch-size'"),
        (["-", "-"], "standard input can be read only once"),
        (["my.jsonl", "--png", "no/x.png"], "there is no folder no for the picture"),
        (["x.gold"], "there is no file x.text"),
    ],
)  # fmt: skip
def test_mistakes_are_refused_in_one_line(
    run_weft: RunWeft, trained: Path, blimp: str, arguments: list[str], message: str
) -> None:
    assert message in run_weft("pairs", *arguments, "--run", trained).refusal()


@needs_data("agreement")
def test_the_410_sentences_of_number_agreement_by_one_command(run_weft: RunWeft, trained: Path) -> None:
    rows = rows_of(run_weft("pairs", DATA / "agreement" / "generated.gold", "--run", trained).out)
    assert (rows[0]["condition"], rows[0]["pairs"]) == ("all", "410")
    assert [row["value"] for row in rows[1:5]] == ["0", "1", "2", "3"]
    assert sum(int(row["pairs"]) for row in rows[1:]) == 410
    assert sum(int(row["correct"]) for row in rows[1:]) == int(rows[0]["correct"])

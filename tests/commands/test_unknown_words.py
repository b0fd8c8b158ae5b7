"""Words out of the vocabulary: shown as written, flagged, counted on standard error, and left out on request."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import weft
from helpers.command_line import RunWeft

LINE = "the zebra sat xylophone"
NOTE = (
    "2 of 4 tokens are not in the vocabulary and are scored as <unk>; --unknown-as-na leaves their scores out: "
    "zebra, xylophone\n"
)


@pytest.mark.parametrize("format", ["table", "tsv", "jsonl", "kenlm", "srilm", "surprisal"])
def test_unknown_words_are_counted_in_every_format(run_weft: RunWeft, trained: Path, format: str) -> None:
    assert run_weft("score", LINE, "--run", trained, "--format", format).err == NOTE
    assert run_weft("score", "the cat", "--run", trained, "--format", format).err == ""


def test_unknown_words_before_an_error_are_counted(run_weft: RunWeft, trained: Path) -> None:
    answer = run_weft("score", "--run", trained, stdin=b"the zebra\n\xff\n")
    assert answer.code == 2
    assert answer.err.startswith("1 of 2 tokens are not in the vocabulary")


def test_many_unknown_words_are_counted_and_some_named(run_weft: RunWeft, trained: Path) -> None:
    err = run_weft("score", "b c d e f g h b", "--run", trained).err
    assert err.startswith("8 of 8 tokens are")
    assert err.endswith(": b, c, d, e, f, …\n")


def test_an_unknown_word_is_written_with_its_length_and_a_flag(run_weft: RunWeft, trained: Path) -> None:
    def out(format: str, *more: str) -> str:
        return run_weft("score", LINE, "--run", trained, "--format", format, *more).out

    rows = [line.split(" ") for line in out("surprisal").splitlines()]
    assert [(row[0], row[3], row[7]) for row in rows[1:]] == [
        ("the", "3", "0"), ("zebra", "5", "1"), ("sat", "3", "0"), ("xylophone", "9", "1"),
    ]  # fmt: skip
    assert "zebra <unk>" in out("table")
    assert "zebra=0 3 " in out("kenlm")
    assert out("srilm", "--detail", "word").startswith(LINE)
    assert ("<unk>", "zebra", True) in {
        (row["token"], row["text"], row["oov"]) for row in map(json.loads, out("jsonl").splitlines())
    }


def test_scores_of_unknown_words_can_be_left_undefined(run_weft: RunWeft, trained: Path) -> None:
    line = ("score", LINE, "--run", trained, "--unknown-as-na", "--format")
    columns = ("--columns", "text,logprob,surprisal,rank,entropy_reduction,oov")
    for row in run_weft(*line, "tsv", *columns).out.splitlines()[1:-1]:
        text, *numbers, oov = row.split("\t")
        assert (numbers == [""] * 4) == (oov == "1") == (text in ("zebra", "xylophone"))
    for row in map(json.loads, run_weft(*line, "jsonl").out.splitlines()):
        assert (row["logprob_nats"] is None) == (row["surprisal_bits"] is None) == row["oov"]
    rows = [each.split(" ") for each in run_weft(*line, "surprisal").out.splitlines()[1:]]
    assert [row[4] == "NA" for row in rows] == [False, True, False, True]
    known = [score.logprob_nats for score in weft.load(trained).scores(LINE) if not score.oov]
    assert f" {sum(known):.4f} " in run_weft(*line, "table").out
    assert run_weft(*line, "tsv").err.endswith("and have no score: zebra, xylophone\n")
    for format in ("kenlm", "srilm"):
        assert (
            "--unknown-as-na is for the formats table, tsv, jsonl, lm-zoo, surprisal"
            in run_weft(*line, format).refusal()
        )


def test_a_line_without_spaces_is_no_word(run_weft: RunWeft, trained: Path) -> None:
    told = "1 of them are in a script without spaces, and words end at spaces"
    assert told in run_weft("score", "the cat", "我喜欢你，你喜欢我。", "--run", trained).err
    assert told not in run_weft("score", "我们 喜欢 你", "--run", trained).err


@pytest.mark.parametrize("command", [("next", "the zebra"), ("generate", "--prompt", "the zebra")])
def test_unknown_words_of_a_prompt_are_counted(run_weft: RunWeft, trained: Path, command: tuple[str, ...]) -> None:
    told = "1 of 2 tokens are not in the vocabulary and are read as <unk>\n"
    assert run_weft(*command, "--run", trained).err == told

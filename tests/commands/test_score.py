"""`weft score`: one row a token, units in the header, lines in their places."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

import weft
from command_line import Answer, RunWeft

HEADER = ["line", "position", "token", "logprob_nats", "surprisal_bits", "oov"]


def table(answer: Answer) -> list[list[str]]:
    assert answer.code == 0
    header, *rows = [line.split("\t") for line in answer.out.splitlines()]
    assert header == HEADER
    return rows


def test_rows_say_the_probability_of_each_token(run_weft: RunWeft, trained: Path) -> None:
    rows = table(run_weft("score", "the zebra sat", "--run", trained))
    assert [(row[0], row[1], row[2], row[5]) for row in rows] == [
        ("1", "1", "the", "0"), ("1", "2", "<unk>", "1"), ("1", "3", "sat", "0"), ("1", "4", "<eos>", "0"),
    ]  # fmt: skip
    nats = [float(row[3]) for row in rows]
    assert math.fsum(nats) == pytest.approx(weft.load(trained).logprob("the zebra sat"), abs=1e-5)
    assert [float(row[4]) for row in rows] == pytest.approx([-n / math.log(2) for n in nats], abs=2e-6)


def test_empty_lines_stay_in_their_places(run_weft: RunWeft, trained: Path) -> None:
    content = "\ufeffthe cat\r\n\n\ndog".encode()
    rows = table(run_weft("score", "--run", trained, stdin=content))
    assert [(row[0], row[2]) for row in rows] == [
        ("1", "the"), ("1", "cat"), ("1", "<eos>"), ("2", "<eos>"), ("3", "<eos>"), ("4", "dog"), ("4", "<eos>"),
    ]  # fmt: skip
    Path("lines.txt").write_bytes(content)
    for more in ([], ["--batch-size", 1], ["--batch-size", 3]):
        assert [row[:3] for row in table(run_weft("score", "--run", trained, "--file", "lines.txt", *more))] == [
            row[:3] for row in rows
        ]
    assert [row[0] for row in table(run_weft("score", "--no-eos", "--run", trained, stdin=content))] == ["1", "1", "4"]


def test_lines_can_be_arguments(run_weft: RunWeft, trained: Path) -> None:
    given = run_weft("score", "the cat", "", "dog", "--run", trained).out
    assert given == run_weft("score", "--run", trained, stdin=b"the cat\n\ndog\n").out


def test_no_lines_give_the_header_alone(run_weft: RunWeft, trained: Path) -> None:
    assert table(run_weft("score", "--run", trained)) == []


def test_a_table_has_the_sum_of_each_line(run_weft: RunWeft, trained: Path) -> None:
    answer = run_weft("score", "the cat", "--format", "table", "--run", trained)
    assert "\x1b" not in answer.out
    assert f"{weft.load(trained).logprob('the cat'):.4f}" in answer.out
    assert "surprisal_bits" in answer.out


def test_tokens_that_would_break_a_row_are_escaped(run_weft: RunWeft) -> None:
    tabs = Path("tabs.txt")
    tabs.write_text("a\tb c\u2028d👩‍👧\n" * 30, encoding="utf-8")
    weft.train(tabs, out="tabs", tokenizer="char", hidden_size=4, embedding_size=4, epochs=1)
    tokens = [row[2] for row in table(run_weft("score", "a\tb c\u2028d👩‍👧", "--run", "tabs"))]
    assert tokens == ["a", "\\t", "b", "␣", "c", "\\u2028", "d", "👩", "\\u200d", "👧", "<eos>"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("--file nowhere.txt", "there is no file nowhere.txt"),
        ("--file .", "cannot read .: Is a directory"),
        ("--file latin.txt", "latin.txt is not UTF-8: line 2, byte 9"),
        ("--file zero.txt", "zero.txt looks binary: there is a zero byte in line 2, at byte 3"),
        ("line --file latin.txt", "give them once"),
        ("line --format tvs", '(did you mean "tsv"?)'),
        ("line --batch-size 0", "'--batch-size': expected at least 1, got 0"),
    ],
)
def test_what_cannot_be_scored_is_told(run_weft: RunWeft, trained: Path, arguments: str, expected: str) -> None:
    Path("latin.txt").write_bytes("hello\ncafé".encode("latin-1"))
    Path("zero.txt").write_bytes(b"a\nb\0")
    assert expected in run_weft("score", *arguments.split(), "--run", trained).refusal()


def test_a_byte_order_mark_is_counted_in_the_offset(run_weft: RunWeft, trained: Path) -> None:
    assert "line 1, byte 4" in run_weft("score", "--run", trained, stdin=b"\xef\xbb\xbfa\xff\n").refusal()

"""`weft score`: one row for each token, units in the header, indices of lines, formats, and unreadable lines."""

from __future__ import annotations

import json
import math
import subprocess
from contextlib import nullcontext
from dataclasses import replace
from itertools import count, islice
from pathlib import Path

import pytest

import weft
from helpers.command_line import Answer, RunWeft, StartWeft
from helpers.untrained import untrained
from weft.backends.fused import why_not_fused
from weft.commands.options.speed import LOADING_PAYS, MAX_LOOKAHEAD, kernels_for_lines

HEADER = ["sentence", "position", "token", "text", "start", "end", "logprob_nats", "surprisal_bits", "oov"]
LATIN = "the cat\n\ncafé\nthe dog\n".encode("latin-1")


def table(answer: Answer) -> list[list[str]]:
    assert answer.code == 0
    header, *rows = [line.split("\t") for line in answer.out.splitlines()]
    assert header == HEADER
    return rows


def test_rows_have_the_probability_of_each_token(run_weft: RunWeft, trained: Path) -> None:
    rows = table(run_weft("score", "the  zebra sat", "--run", trained))
    assert [(*row[:6], row[8]) for row in rows] == [
        ("0", "0", "the", "the", "0", "3", "0"), ("0", "1", "<unk>", "zebra", "5", "10", "1"),
        ("0", "2", "sat", "sat", "11", "14", "0"), ("0", "3", "<eos>", "", "14", "14", "0"),
    ]  # fmt: skip
    nats = [float(row[6]) for row in rows]
    assert math.fsum(nats) == pytest.approx(weft.load(trained).logprob("the zebra sat"), abs=1e-5)
    assert [float(row[7]) for row in rows] == pytest.approx([-n / math.log(2) for n in nats], abs=2e-6)


def test_empty_lines_keep_their_index(run_weft: RunWeft, trained: Path) -> None:
    content = "\ufeffthe cat\r\n\n\ndog".encode()
    rows = table(run_weft("score", "--run", trained, stdin=content))
    assert [(row[0], row[2]) for row in rows] == [
        ("0", "the"), ("0", "cat"), ("0", "<eos>"), ("1", "<eos>"), ("2", "<eos>"), ("3", "dog"), ("3", "<eos>"),
    ]  # fmt: skip
    Path("lines.txt").write_bytes(content)
    for more in ([], ["--batch-size", 1], ["--batch-size", 3]):
        assert [row[:3] for row in table(run_weft("score", "--run", trained, "--file", "lines.txt", *more))] == [
            row[:3] for row in rows
        ]
    assert [row[0] for row in table(run_weft("score", "--no-eos", "--run", trained, stdin=content))] == ["0", "0", "3"]


def test_lines_can_be_arguments(run_weft: RunWeft, trained: Path) -> None:
    given = run_weft("score", "the cat", "", "dog", "--run", trained).out
    assert given == run_weft("score", "--run", trained, stdin=b"the cat\n\ndog\n").out
    assert given == run_weft("score", "the cat\n\ndog", "--run", trained).out


def test_without_lines_only_the_header_is_printed(run_weft: RunWeft, trained: Path) -> None:
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
    rows = table(run_weft("score", "a\tb c\u2028d👩‍👧", "--run", "tabs"))
    assert [row[2] for row in rows] == ["a", "\\t", "b", "␣", "c", "\\u2028", "d", "👩", "\\u200d", "👧", "<eos>"]
    words = table(run_weft("score", "a\tb c", "--words", "--run", "tabs"))
    assert [(row[2], row[3]) for row in words] == [("a", "a"), ("b", "b"), ("c", "c"), ("<eos>", "")]
    refusal = run_weft("score", "a", "--words", "--columns", "token,rank", "--run", "tabs").refusal()
    assert "rank is not defined for words made of pieces" in refusal
    kenlm = run_weft("score", "a\tb c", "--format", "kenlm", "--run", "tabs").out.split("\t")
    assert [word.split("=")[0] for word in kenlm[:4]] == ["a", "b", "c", "</s>"]
    assert [word.split(" ")[0][-1] for word in kenlm[:3]] == ["1", "1", "1"]


@pytest.mark.parametrize("format", ["kenlm", "srilm", "surprisal", "jsonl"])
def test_every_format_has_the_scores_of_the_model(run_weft: RunWeft, trained: Path, format: str) -> None:
    lm = weft.load(trained)
    nats = lm.logprob("the cat")
    out = run_weft("score", "the cat", "--format", format, "--run", trained).out
    if format == "kenlm":
        assert float(out.split("Total: ")[1].split(" ")[0]) == pytest.approx(nats / math.log(10), rel=1e-5)
        assert out.startswith(f"the={lm.tokenizer.id('the')} 2 ")
    elif format == "srilm":
        assert float(out.split("logprob= ")[1].split(" ")[0]) == pytest.approx(nats / math.log(10), rel=1e-5)
        assert out.startswith("file -: 1 sentences, 2 words, 0 OOVs\n")
    elif format == "surprisal":
        rows = [line.split(" ") for line in out.splitlines()]
        assert [row[0] for row in rows] == ["word", "the", "cat"]
        assert [float(row[4]) for row in rows[1:]] == pytest.approx([bits for _, bits in lm.surprisal("the cat")[:2]])
        assert all(float(row[5]) > 0 for row in rows[1:])
    else:
        objects = [json.loads(line) for line in out.splitlines()]
        assert list(objects[0]) == HEADER
        assert math.fsum(row["logprob_nats"] for row in objects) == pytest.approx(nats, abs=1e-5)


def test_both_modes_are_written_in_turn(run_weft: RunWeft, trained: Path) -> None:
    line = ("score", "the cat", "dog", "--run", trained, "--columns", "sentence,token,logprob")
    header, *rows = [row.split("\t") for row in run_weft(*line, "--both").out.splitlines()]
    assert header == ["mode", "sentence", "token", "logprob_nats"]
    assert [(row[0], row[1]) for row in rows] == [("sentence", "0")] * 3 + [("running", "0")] * 3 + [
        ("sentence", "1")
    ] * 2 + [("running", "1")] * 2
    for mode, more in (("sentence", []), ("running", ["--running"])):
        alone = [row.split("\t") for row in run_weft(*line, *more).out.splitlines()[1:]]
        assert [row[1:] for row in rows if row[0] == mode] == alone


def test_columns_base_and_alternatives(run_weft: RunWeft, trained: Path) -> None:
    line = ("score", "the cat", "--run", trained, "--columns", "token,entropy,rank", "--alternatives", 2, "--base", 10)
    header, first, *_rest = [row.split("\t") for row in run_weft(*line).out.splitlines()]
    assert header == ["token", "entropy_bans", "rank", "alternatives_bans"]
    likeliest = weft.load(trained).next("", 2)
    pairs = [pair.split("=") for pair in first[3].split(" ")]
    assert [token for token, _ in pairs] == [token for token, _ in likeliest]
    assert [10 ** float(bans) for _, bans in pairs] == pytest.approx([p for _, p in likeliest], rel=1e-4)
    everything = run_weft("score", "the cat", "--run", trained, "--columns", "all").out.splitlines()[0].split("\t")
    assert {"entropy_bits", "entropy_reduction_bits", "rank"} < set(everything)


@pytest.mark.parametrize("detail", ["2", "word"])
def test_detail_is_a_name_or_the_number_of_the_original_tool(run_weft: RunWeft, trained: Path, detail: str) -> None:
    out = run_weft("score", "the cat", "--run", trained, "--format", "srilm", "--detail", detail).out
    assert out.startswith("the cat\n\tp( the | <s> ) \t= [2gram] ")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("--file nowhere.txt", "there is no file nowhere.txt"),
        ("--file .", "cannot read .: Is a directory"),
        ("--file zero.txt", "zero.txt looks binary: there is a zero byte in line 1, at byte 1"),
        ("line --file latin.txt", "give them once"),
        ("line --format tvs", '(did you mean "tsv"?)'),
        ("line --batch-size 0", "'--batch-size': expected at least 1, got 0"),
        ("line --columns tokn", '(did you mean "token"?)'),
        ("line --columns token,alternatives", "comes with --alternatives K"),
        ("line --base 3", "--base must be one of 2, e, 10, got '3'"),
        ("line --format kenlm --base 2", "--base is for the formats table, tsv, jsonl, not for kenlm"),
        ("line --format srilm --alternatives 2", "--alternatives is for the formats table, tsv, jsonl"),
        ("line --format surprisal --both", "--both is for the formats table, tsv, jsonl"),
        ("line --detail word", "--detail is for the formats kenlm, srilm, not for tsv"),
        ("line --format kenlm --detail wrd", '(did you mean "word"?)'),
        ("line --running --both", "give one of the two"),
        ("line --alternatives -1", "--alternatives must be at least 0, got -1"),
        ("line --on-error skp", '(did you mean "skip"?)'),
        ("line --kernels plane", '(did you mean "plain"?)'),
        (
            "line --kernels plain --threads 2",
            "--threads and --precision are for the fused kernels, and the plain ones are used",
        ),
        ("line --threads 2", "--threads and --precision are for the fused kernels, and the plain ones are used"),
    ],
)
def test_unusable_options_and_lines_are_errors(run_weft: RunWeft, trained: Path, arguments: str, expected: str) -> None:
    Path("zero.txt").write_bytes(b"a\0\nb")
    line = arguments.replace("line --format", "line --run trained --format")
    assert expected in run_weft("score", *line.split(), "--run", trained).refusal()


def test_a_byte_order_mark_is_counted_in_the_offset(run_weft: RunWeft, trained: Path) -> None:
    assert "line 1, byte 4" in run_weft("score", "--run", trained, stdin=b"\xef\xbb\xbfa\xff\n").refusal()


@pytest.mark.parametrize("more", [[], ["--batch-size", 1], ["--running"], ["--both"]])
def test_lines_before_a_line_that_is_not_utf8_are_scored(run_weft: RunWeft, trained: Path, more: list[object]) -> None:
    answer = run_weft("score", "--run", trained, *more, stdin=LATIN)
    assert answer.code == 2
    assert answer.err.endswith("weft: standard input is not UTF-8: line 3, byte 12; convert it to UTF-8 first\n")
    good = run_weft("score", "--run", trained, *more, stdin=b"the cat\n\n")
    assert answer.out == good.out


@pytest.mark.parametrize("more", [[], ["--batch-size", 1], ["--running"], ["--both"]])
def test_with_skip_the_other_lines_keep_their_index(run_weft: RunWeft, trained: Path, more: list[object]) -> None:
    answer = run_weft("score", "--run", trained, "--on-error", "skip", *more, stdin=LATIN)
    assert answer.code == 0
    assert answer.err.endswith(
        "weft: skipped: standard input is not UTF-8: line 3, byte 12; convert it to UTF-8 first\n"
    )
    good = run_weft("score", "--run", trained, *more, stdin=b"the cat\n\nthe dog\n")
    sentence = 1 if "--both" in more else 0

    def numbered(row: str) -> list[str]:
        fields = row.split("\t")
        fields[sentence] = {"3": "2"}.get(fields[sentence], fields[sentence])
        return fields

    assert [numbered(row) for row in answer.out.splitlines()] == [row.split("\t") for row in good.out.splitlines()]
    kenlm = run_weft("score", "--run", trained, "--on-error", "skip", "--format", "kenlm", stdin=LATIN).out
    assert kenlm.splitlines()[2] == "Total: 0 OOV: 0"


def test_a_line_above_the_length_limit_is_refused(
    run_weft: RunWeft, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weft.text.lines.LONGEST_LINE", 8)
    assert table(run_weft("score", "--run", trained, "--no-eos", stdin=b"the cat\ndog\n"))[2][2] == "dog"
    answer = run_weft("score", "--run", trained, stdin=b"dog\n" + b"the cat sat\n")
    assert "line 2 is longer than 8 bytes" in answer.err
    assert "dog" in answer.out


def test_a_closed_reader_ends_the_command_without_an_error(start_weft: StartWeft, trained: Path) -> None:
    with start_weft("score", "--run", trained, stdin=subprocess.PIPE) as started:
        assert started.stdin is not None
        assert started.stdout is not None
        assert started.stderr is not None
        with subprocess.Popen(["yes", "the cat"], stdout=started.stdin, stderr=subprocess.DEVNULL):
            started.stdin.close()
            assert started.stdout.readline().startswith(b"sentence\t")
            started.stdout.close()
            assert started.wait(timeout=60) == 0
            assert started.stderr.read() == b""


def test_with_batch_size_one_each_line_is_answered_at_once(start_weft: StartWeft, trained: Path) -> None:
    with start_weft("score", "--run", trained, "--batch-size", 1, "--running", stdin=subprocess.PIPE) as started:
        assert started.stdin is not None
        assert started.stdout is not None
        for number in range(2):
            started.stdin.write(b"the\n")
            started.stdin.flush()
            rows = [started.stdout.readline().decode() for _ in range(2 + (number == 0))]
            assert rows[-1].startswith(f"{number}\t1\t<eos>")
        started.stdin.close()
        assert started.wait(timeout=60) == 0


def test_a_closed_standard_input_is_an_error(start_weft: StartWeft, trained: Path) -> None:
    process = start_weft("score", "--run", trained, before="import sys; sys.stdin = None")
    _out, err = process.communicate()
    assert (process.returncode, err) == (2, b"weft: standard input is closed\n")


def test_lookahead_for_the_kernels_is_bounded() -> None:
    lm = untrained()
    lm.config = replace(lm.config, training=replace(lm.config.training, kernels="fused"))
    taken = count()
    kernels, lines = kernels_for_lines(lm, ("" for _ in taken), 32, "auto", None)
    assert next(taken) == MAX_LOOKAHEAD
    assert list(islice(lines, MAX_LOOKAHEAD)) == [""] * MAX_LOOKAHEAD
    assert not isinstance(kernels, nullcontext) or why_not_fused() is not None


def test_auto_loads_the_fused_kernels_only_for_large_texts(
    run_weft: RunWeft, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr("weft.commands.options.speed.kernels_of", lambda lm, kernels, threads: asked.append(kernels))
    lm = weft.load(trained)
    object.__setattr__(lm.config.training, "kernels", "fused")
    size = sum(parameter.size for parameter in lm.model.params[1:])  # the embedding is looked up, not multiplied
    monkeypatch.setattr("weft.commands.options.speed.LOADING_PAYS", 3 * size)
    assert 3 * size < LOADING_PAYS
    for lines, loaded in ((["the cat"], []), (["the", "the cat"], ["auto"])):
        asked.clear()
        _context, again = kernels_for_lines(lm, iter(lines), 32, "auto", None)
        assert asked == loaded
        assert list(again) == lines
    asked.clear()
    kernels_for_lines(lm, iter(["the cat sat"]), 1, "auto", None)
    assert asked == []

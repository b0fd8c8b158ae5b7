"""Output for programs is the same bytes under every locale; text for people reaches no terminal raw."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import weft
from helpers.command_line import FLAGS, SIZES, OnTerminal, RunWeft, WriteIn, write_text
from weft.text.rules import AT_SEPARATORS

ENCODINGS = ("utf-8", "ascii", "cp1252")
LINES = 'he said " hi " and é 我 NA \u2028 \x1b[31m \u202e zebra\nNA "\n'
FORMATS = ("table", "tsv", "jsonl", "lm-zoo", "kenlm", "srilm", "surprisal")


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on words that readers of tables stumble over."""
    folder = tmp_path_factory.mktemp("odd")
    text = folder / "odd.txt"
    text.write_text('he said " hi " and é 我 NA # null ,\n' * 60, encoding="utf-8")
    weft.train(text, out=folder / "run", epochs=1, tokenizer="word", **SIZES)
    return folder / "run"


def lines(run: object, format: str, *more: object) -> tuple[object, ...]:
    Path("odd.txt").write_text(LINES, encoding="utf-8")
    return ("score", "--run", run, "--file", "odd.txt", "--format", format, *more)


@pytest.mark.parametrize("format", FORMATS)
def test_scores_are_the_same_bytes_in_every_encoding(written: WriteIn, odd: Path, format: str) -> None:
    line = lines(odd, format, *(["--detail", "word"] if format == "srilm" else []))
    first, *others = [written(*line, encoding=encoding).out for encoding in ENCODINGS]
    assert others == [first] * 2
    assert b"\r" not in first
    assert b"\x1b" not in first
    assert "é".encode() in first


@pytest.mark.parametrize(
    "variables",
    [{"PYTHONIOENCODING": "cp1252"}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}],
    ids=["cp1252", "C"],
)
def test_scores_are_the_same_bytes_in_a_process_of_another_locale(
    written: WriteIn, odd: Path, variables: dict[str, str]
) -> None:
    line = lines(odd, "jsonl")
    command = [sys.executable, "-m", "weft", *map(str, line)]
    done = subprocess.run(command, capture_output=True, env={**os.environ, **variables}, check=True)
    assert done.stdout == written(*line).out


def test_other_results_are_the_same_bytes_in_every_encoding(
    written: WriteIn, odd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as in many automatic builds; it does not make a pipe a terminal
    Path("é.txt").write_text(LINES, encoding="utf-8")
    Path("nbest").write_text('{"id": "é", "text": "he said \u2028 我", "am": -0.0}\n', encoding="utf-8")
    for line in (
        ("next", "he said", "--run", odd),
        ("generate", "--prompt", "é 我", "--seed", 1, "--run", odd),
        ("compare", odd, "é.txt", "--baseline", "none", "--sample", 5, "--longest", 2, "--png", "x.png"),
        ("rescore", "nbest", "--format", "jsonl", "--acoustic-key", "am", "--run", odd, "--jsonl"),
        ("eval", "é.txt", "--run", odd),
        ("tokenize", "--file", "é.txt", "--run", odd),
        ("unkify", "--file", "é.txt", "--run", odd),
        ("pairs", "é.txt", "é.txt", "--rows", "pairs", "--run", odd),
        ("info", odd),
        ("data",),
        ("recipes",),
        ("recipes", "ptb-fast"),
    ):
        first, *others = [written(*line, encoding=encoding) for encoding in ENCODINGS]
        assert first.code == 0, first.err
        assert [other.out for other in others] == [first.out] * 2, line
        assert b"\r" not in first.out
        assert b"\x1b" not in first.out
        assert "-0.0," not in first.out.decode("utf-8")


def test_json_lines_hold_the_text_exactly(written: WriteIn, odd: Path) -> None:
    content = written(*lines(odd, "jsonl"), encoding="cp1252").out.decode("utf-8")
    rows = [json.loads(line) for line in content.splitlines()]  # splitlines also cuts at U+2028, U+2029 and U+0085
    words = [row["text"] for row in rows if row["text"]]
    assert words == AT_SEPARATORS.words(LINES)


def test_tsv_is_read_by_csv_and_pandas(written: WriteIn, odd: Path) -> None:
    pandas = pytest.importorskip("pandas")
    content = written(*lines(odd, "tsv", "--columns", "all")).out.decode("utf-8")
    read = list(csv.DictReader(io.StringIO(content, newline=""), delimiter="\t"))
    words = [word for line in LINES.split("\n")[:2] for word in [*AT_SEPARATORS.words(line), ""]]
    shown = [word.translate({ord(c): ascii(c)[1:-1] for c in "\x1b\u202e\u2028\u2029\x85"}) for word in words]
    assert [row["text"] for row in read] == shown
    numbers = ["entropy_reduction_bits"]
    frame = pandas.read_csv(io.StringIO(content), sep="\t", keep_default_na=False, na_values=dict.fromkeys(numbers, ""))
    assert list(frame["text"]) == shown
    assert frame["logprob_nats"].dtype == frame["entropy_reduction_bits"].dtype == float


def test_surprisal_is_read_by_pandas_and_words_stay_words(written: WriteIn, odd: Path) -> None:
    pandas = pytest.importorskip("pandas")
    content = written(*lines(odd, "surprisal", "--unknown-as-na")).out.decode("utf-8")
    missing = {name: ["NA"] for name in ("surp", "entropy", "entred")}
    frame = pandas.read_csv(
        io.StringIO(content), sep=" ", quoting=csv.QUOTE_NONE, keep_default_na=False, na_values=missing
    )
    assert list(frame["word"])[:4] == ["he", "said", '"', "hi"]
    assert "NA" in set(frame["word"])
    assert list(frame["surp"].isna()) == list(frame["oov"] == 1)
    zebra = frame[frame["word"] == "zebra"].iloc[0]
    assert (zebra["wlen"], zebra["oov"]) == (5, 1)


@pytest.mark.parametrize("format", FORMATS)
def test_no_control_of_a_text_reaches_the_terminal(on_terminal: OnTerminal, odd: Path, format: str) -> None:
    shown = on_terminal(*lines(odd, format), TERM="dumb")
    for control in ("\x1b", "\u202e", "\u2028"):
        assert control not in shown.out + shown.err
    assert format in ("srilm", "lm-zoo") or "\\x1b[31m" in shown.out or "\\u001b[31m" in shown.out
    assert "\\x1b[31m" in shown.err  # among the unknown words


def test_settings_and_file_names_are_escaped_for_a_terminal(on_terminal: OnTerminal, trained: Path) -> None:
    own = write_text(Path("own\x1b[31m\u202e.txt"))
    evil = "a\x1b[31m\u202e.txt"
    for line in (
        ("train", own, *FLAGS, "--epochs", 1, "--out", "run\x1b[31m"),
        ("info", "run\x1b[31m"),
        ("eval", evil, "--run", trained),
        ("eval", evil, "--run", trained, "--debug"),
        ("train", evil),
        ("score", "--file", evil, "--run", trained),
        ("rescore", evil, "--format", "srilm", "--run", trained),
        ("compare", trained, evil),
        ("info", evil),
        (evil,),
        ("next", f"--{evil}"),
        ("next", "--run", evil),
        ("generate", "--ban", evil, "--run", trained),
    ):
        shown = "".join(on_terminal(*line)[1:])
        assert "\x1b[31m" not in shown, line
        assert "\u202e" not in shown, line
        assert "\\x1b[31m" in shown, (line, shown)


def test_generated_controls_are_escaped_on_a_terminal_alone(on_terminal: OnTerminal, written: WriteIn) -> None:
    Path("bell.txt").write_text("a\x07\x1b[31m\n" * 100, encoding="utf-8")
    weft.train("bell.txt", out="bell", tokenizer="char", epochs=8, hidden_size=16, embedding_size=8)
    line = ("generate", "--run", "bell", "--temperature", 0, "--max-tokens", 20, "--prompt", "a")
    raw = written(*line).out.decode()
    assert "\x07\x1b" in raw
    assert on_terminal(*line).out == raw.replace("\x07", "\\x07").replace("\x1b", "\\x1b")


def test_a_format_for_programs_is_the_same_on_a_terminal(written: WriteIn, trained: Path) -> None:
    line = ("score", "the cat na\u00efve 我", "--run", trained, "--format")
    for format in ("tsv", "jsonl", "surprisal"):
        assert written(*line, format, encoding="cp1252", terminal=True).out == written(*line, format).out


@pytest.mark.parametrize("columns", [40, 60, 80])
@pytest.mark.parametrize("variables", [{"TERM": "dumb"}, {"NO_COLOR": "1"}])
def test_a_table_is_as_wide_as_the_terminal(
    on_terminal: OnTerminal, trained: Path, columns: int, variables: dict[str, str]
) -> None:
    line = ("score", "the cat zebra sat", "--alternatives", 3, "--run", trained)
    shown = on_terminal(*line, columns=columns, **variables).out
    plain = shown.replace("\x1b[3m", "").replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert "\x1b" not in plain
    assert (plain == shown) == ("TERM" in variables)
    assert max(map(len, plain.splitlines())) <= columns
    for score in weft.load(trained).scores("the cat zebra sat"):
        assert f" {score.logprob_nats:.6f} " in plain
    assert "zebra <unk>" in plain


def test_quiet_writes_nothing_but_errors(run_weft: RunWeft, trained: Path, text: Path) -> None:
    for line in (
        ("train", text, "--hidden-size", 4, "--embedding-size", 4, "--epochs", 1, "--max-steps", 2, "--out", "quiet"),
        ("eval", "--run", trained),
        ("score", "the zebra", "--run", trained),
        ("next", "the zebra", "--run", trained),
        ("generate", "--prompt", "the zebra", "--seed", 1, "--run", trained),
        ("compare", trained, "--sample", 5, "--longest", 2),
        ("find-lr", text, "--steps", 20, "--hidden-size", 4, "--embedding-size", 4, "--from", 0.01),
        ("ngram", "train", text, "--order", 2, "--out", "my.arpa", "--discount-fallback"),
        ("ngram", "eval", "my.arpa", text),
        ("tune", "--cache", 10, "--tokens", 20, "--run", trained),
    ):
        answer = run_weft(*line, "--quiet")
        assert (answer.code, answer.err) == (0, ""), line
        assert answer.out, line
    assert "nowhere.txt" in run_weft("eval", "nowhere.txt", "--run", trained, "-q").refusal()
    skipped = run_weft("score", "--on-error", "skip", "--run", trained, "--quiet", stdin=b"the\n\xff\n")
    assert skipped.err.startswith("weft: skipped: standard input is not UTF-8")

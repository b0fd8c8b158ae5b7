"""`weft mix`: each model's perplexity, the fitted weights, and the perplexity of the mixture."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from helpers.command_line import Answer, RunWeft

Row = dict[str, str]


@pytest.fixture
def arpa(run_weft: RunWeft, text: Path) -> Path:
    run_weft("ngram", "train", text, "--order", 2, "--out", "my.arpa", "--discount-fallback")
    return Path("my.arpa")


def rows(answer: Answer) -> dict[tuple[str, str], Row]:
    assert answer.code == 0
    header, *lines = [line.split("\t") for line in answer.out.splitlines()]
    found = [dict(zip(header, line, strict=True)) for line in lines]
    return {(row["text"], row["model"]): row for row in found}


def test_a_run_and_an_arpa_file_together(run_weft: RunWeft, trained: Path, arpa: Path, text: Path) -> None:
    Path("other.txt").write_text("the dog sat\nthe cat ran on and on\n", encoding="utf-8")
    found = rows(run_weft("mix", trained, arpa, "--fit", text, "--text", "other.txt"))
    names = [str(trained), "my.arpa", "mixture"]
    assert list(found) == [(read, name) for read in ("fit", "text") for name in names]
    weights = [float(found["fit", name]["weight"]) for name in names[:2]]
    assert sum(weights) == pytest.approx(1, abs=1e-5)
    fitted = [float(found["fit", name]["perplexity_including_oov"]) for name in names]
    assert fitted[2] <= min(fitted[:2])
    for read, path in (("fit", text), ("text", "other.txt")):
        alone = dict(line.split("\t") for line in run_weft("eval", path, "--run", trained).out.splitlines())
        counted = dict(line.split("\t") for line in run_weft("ngram", "eval", arpa, path).out.splitlines())
        for name, row in (("tokens", alone), ("perplexity_including_oov", alone)):
            assert float(found[read, str(trained)][name]) == pytest.approx(float(row[name]), rel=1e-5)
        assert found[read, "my.arpa"]["perplexity_including_oov"] == counted["perplexity_including_oov"]


def test_two_runs_together_without_a_second_text(run_weft: RunWeft, trained: Path, text: Path) -> None:
    shutil.copytree(trained, "same")
    found = rows(run_weft("mix", trained, "same", "--fit", text))
    assert {read for read, _ in found} == {"fit"}
    assert [row["weight"] for row in found.values()] == ["0.500000", "0.500000", ""]
    assert len({row["perplexity_including_oov"] for row in found.values()}) == 1


def test_words_known_to_some_models_are_reported(run_weft: RunWeft, trained: Path) -> None:
    Path("new.txt").write_text("the zebra sat\n" * 9, encoding="utf-8")
    run_weft("ngram", "train", "new.txt", "--order", 1, "--out", "new.arpa", "--discount-fallback")
    answer = run_weft("mix", trained, "new.arpa", "--fit", "new.txt")
    assert "fit: 9 of 36 tokens are words that some models know and others do not" in answer.err
    oov = [row["oov_tokens"] for row in rows(answer).values()]
    assert oov == ["9", "0", "9"]


def test_nothing_is_printed_before_all_texts_are_read(run_weft: RunWeft, arpa: Path, text: Path) -> None:
    Path("bad.txt").write_bytes(b"the cat \xff sat\n")
    assert "bad.txt" in run_weft("mix", arpa, arpa, "--fit", text, "--text", "bad.txt").refusal()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("mix my.arpa --fit my.txt", "a mixture needs at least two models, got my.arpa alone"),
        ("mix my.arpa my.arpa", "Missing option '--fit'"),
        ("mix my.arpa your.arpa --fit my.txt", "there is no run folder or ARPA file your.arpa"),
        ("mix my.arpa my.txt --fit my.txt", "my.txt is not an ARPA file"),
        ("mix my.arpa my.arpa --fit yours.txt", "there is no file, folder or corpus yours.txt"),
        ("mix my.arpa my.arpa --fit - --text -", "standard input ('-') is given for --fit and for --text"),
        ("mix my.arpa my.arpa --fit my.txt --batch-size 0", "'--batch-size': expected at least 1, got 0"),
        ("mix my.arpa my.arpa --fti my.txt", 'no such option --fti (did you mean "--fit"?)'),
    ],
)
def test_errors_are_one_line(run_weft: RunWeft, arpa: Path, line: str, expected: str) -> None:
    assert expected in run_weft(*line.split()).refusal()


def test_models_with_different_tokens_are_refused(run_weft: RunWeft, arpa: Path, text: Path) -> None:
    flags = ("--hidden-size", 4, "--embedding-size", 4, "--max-steps", 1)
    run_weft("train", text, "--tokenizer", "char", *flags, "--out", "letters")
    answer = run_weft("mix", "letters", arpa, "--fit", text)
    assert "letters predicts tokens of the kind char and my.arpa of the kind word" in answer.refusal()

"""`weft compare`: the numbers of `weft eval`, one row for each model and context, and a picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.command_line import FLAGS, Answer, RunWeft
from weft.commands.compare import HEADER

QUICK = ("--sample", 40, "--longest", 10)
BOTH = ("--baseline", "kn5", "--baseline", "window4")


def rows(answer: Answer) -> list[dict[str, str]]:
    assert answer.code == 0, answer.err
    header, *lines = [line.split("\t") for line in answer.out.splitlines()]
    assert tuple(header) == HEADER
    return [dict(zip(header, line, strict=True)) for line in lines]


def test_the_whole_text_has_the_numbers_of_eval(run_weft: RunWeft, trained: Path) -> None:
    found = rows(run_weft("compare", trained, *BOTH, *QUICK))
    whole = {row["model"]: row for row in found if row["text"] == "whole"}
    assert list(whole) == [str(trained), "kn5", "window4", "unigram"]
    evaluated = dict(line.split("\t") for line in run_weft("eval", "--run", trained).out.splitlines())
    ours = whole[str(trained)]
    assert (ours["tokens"], ours["oov_tokens"]) == (evaluated["tokens"], evaluated["oov_tokens"])
    for name in ("perplexity_including_oov", "perplexity_excluding_oov", "nats_per_token"):
        assert float(ours[name]) == pytest.approx(float(evaluated[name]), rel=1e-5)
    assert float(whole["unigram"]["perplexity_including_oov"]) == pytest.approx(
        float(evaluated["unigram_perplexity"]), rel=1e-5
    )
    assert (trained / "comparison.png").read_bytes().startswith(b"\x89PNG")


def test_a_trained_window_baseline_is_a_run(run_weft: RunWeft, trained: Path, text: Path) -> None:
    found = rows(run_weft("compare", trained, text, *BOTH, *QUICK))
    whole = {row["model"]: row for row in found if row["text"] == "whole"}
    window = run_weft("eval", text, "--run", trained / "baselines" / "window4")
    evaluated = dict(line.split("\t") for line in window.out.splitlines())
    assert float(whole["window4"]["nats_per_token"]) == pytest.approx(float(evaluated["nats_per_token"]), rel=1e-5)


def test_no_baseline_is_trained_that_was_not_asked_for(run_weft: RunWeft, trained: Path) -> None:
    first = run_weft("compare", trained, *QUICK)
    assert {row["model"] for row in rows(first)} == {str(trained), "kn5", "unigram"}
    assert (
        "without window4, a neural baseline that is not trained yet: --baseline kn5 --baseline window4 trains it, "
        f"for up to 1 epoch as {trained} was, and keeps it\n"
    ) in first.err
    assert not (trained / "baselines").exists()
    run_weft("compare", trained, "--baseline", "window4", *QUICK)
    again = run_weft("compare", trained, *QUICK)
    assert {row["model"] for row in rows(again)} == {str(trained), "kn5", "window4", "unigram"}
    assert "epoch" not in again.err


def test_every_model_predicts_the_same_sample_at_every_context_length(
    run_weft: RunWeft, trained: Path, text: Path
) -> None:
    answer = run_weft("compare", trained, text, "--baseline", "kn3", "--baseline", "kn3", *QUICK, "--png", "it.png")
    found = rows(answer)
    for model in (str(trained), "kn3", "unigram"):
        sampled = [row for row in found if row["model"] == model and row["text"] == "sample"]
        assert [row["context_tokens"] for row in sampled] == ["0", "1", "2", "3", "5", "10", "all"]
        assert {row["tokens"] for row in sampled} == {"40"}
        values = [row["nats_per_token"] for row in sampled]
        if model == "kn3":
            assert len(set(values[2:])) == 1
            assert values[1] != values[2]
        if model == "unigram":
            assert len(set(values)) == 1
    assert Path("it.png").exists()
    assert not (trained / "comparison.png").exists()
    assert "the picture is in it.png" in answer.err


def test_two_runs_with_one_vocabulary_are_compared(run_weft: RunWeft, text: Path) -> None:
    for cell in ("rnn", "window"):
        run_weft("train", text, *FLAGS, "--epochs", 1, "--tokenizer", "word", "--cell", cell, "--out", cell)
    found = rows(run_weft("compare", "rnn", "window", text, "--baseline", "none", *QUICK))
    assert list(dict.fromkeys(row["model"] for row in found)) == ["rnn", "window", "unigram"]
    table = run_weft("compare", "rnn", "window", "my.txt", "--baseline", "none", *QUICK, "--format", "table").out
    assert "perplexity per token" in table
    assert "the same sample of 40" in table


def test_runs_of_different_vocabularies_are_not_compared(run_weft: RunWeft, trained: Path, text: Path) -> None:
    run_weft("train", text, *FLAGS, "--epochs", 1, "--tokenizer", "char", "--out", "chars")
    refused = run_weft("compare", trained, "chars", text).refusal()
    assert refused.startswith(f"{trained} and chars have different vocabularies")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("--baseline nk5", "a baseline is kn1 to kn5, or window1, window2, ..., got 'nk5' (did you mean \"kn5\"?)"),
        ("--sample 0", "'--sample': expected at least 1, got 0"),
        ("--format tvs", "--format must be one of table, tsv, got 'tvs' (did you mean \"tsv\"?)"),
        ("--split tset", "--split must be one of valid, test"),
        ("nowhere.txt", "there is no file, folder or corpus nowhere.txt"),
        ("--png no/where.png", "there is no folder no for the picture"),
        ("empty.txt", "empty.txt is empty"),
        ("kn5.arpa", "kn5.arpa is an n-gram model: `weft ngram eval` measures it"),
        ("--baseline none --baseline kn5", "--baseline none excludes the others"),
    ],
)
def test_unusable_options_and_texts_are_errors(run_weft: RunWeft, trained: Path, arguments: str, expected: str) -> None:
    Path("empty.txt").touch()
    assert expected in run_weft("compare", trained, *arguments.split()).refusal()


def test_the_default_run_is_the_newest_or_that_of_the_environment(
    run_weft: RunWeft, trained: Path, text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "there is none under runs/" in run_weft("compare", text).refusal()
    monkeypatch.setenv("WEFT_RUN", str(trained))
    assert rows(run_weft("compare", text, "--baseline", "none", *QUICK))[0]["model"] == str(trained)

"""`weft eval`: exact numbers that do not depend on batch and block size, with unknown words counted separately."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

import weft
from helpers.command_line import FLAGS, Answer, RunWeft
from weft.text.tokens import open_tokens


def rows(answer: Answer) -> dict[str, str]:
    assert answer.code == 0
    return dict(line.split("\t") for line in answer.out.splitlines())


def test_the_loss_is_the_sum_over_all_tokens_given_those_before(run_weft: RunWeft, trained: Path, text: Path) -> None:
    found = rows(run_weft("eval", text, "--run", trained))
    lm = weft.load(trained)
    content = text.read_text("utf-8")
    nats = -lm.start().push(content).logprob_nats
    tokens = len(content.split()) + content.count("\n")
    assert int(found["tokens"]) == tokens
    assert int(found["oov_tokens"]) == 0
    assert float(found["total_nats"]) == pytest.approx(nats, rel=1e-5)
    assert float(found["nats_per_token"]) == pytest.approx(nats / tokens, rel=1e-5)
    assert float(found["bits_per_token"]) == pytest.approx(nats / tokens / math.log(2), rel=1e-5)
    assert float(found["perplexity_including_oov"]) == pytest.approx(math.exp(nats / tokens), rel=1e-4)
    assert found["perplexity_excluding_oov"] == found["perplexity_including_oov"]


@pytest.mark.parametrize(("batch_size", "bptt"), [(1, 1), (1, 10_000), (7, 13), (300, 2)])
def test_batch_and_block_sizes_do_not_change_the_numbers(
    run_weft: RunWeft, trained: Path, text: Path, batch_size: int, bptt: int
) -> None:
    usual = rows(run_weft("eval", text, "--run", trained))
    found = rows(run_weft("eval", text, "--run", trained, "--batch-size", batch_size, "--bptt", bptt))
    assert found.pop("tokens") == usual.pop("tokens")
    for name, value in usual.items():
        assert float(found[name]) == pytest.approx(float(value), rel=1e-5), name


def test_words_out_of_the_vocabulary_are_counted_separately(run_weft: RunWeft, trained: Path) -> None:
    found = rows(run_weft("eval", "-", "--run", trained, stdin=b"the zebra sat\nzebra\n"))
    assert (found["tokens"], found["oov_tokens"]) == ("6", "2")
    scores = weft.load(trained).scores("the zebra sat\nzebra")
    known = [score.logprob_nats for score in scores if not score.oov]
    assert float(found["perplexity_excluding_oov"]) == pytest.approx(math.exp(-math.fsum(known) / 4), rel=1e-4)
    assert found["perplexity_excluding_oov"] != found["perplexity_including_oov"]
    nothing_known = rows(run_weft("eval", "-", "--run", trained, "--split", "test", stdin=b"zebra"))
    assert nothing_known["oov_tokens"] == "1"


def test_the_default_text_is_the_test_text_or_else_the_validation_text(run_weft: RunWeft, text: Path) -> None:
    both = ("--valid-fraction", 0.1, "--test-fraction", 0.1)
    run_weft("train", text, *FLAGS, "--epochs", 1, "--tokenizer", "word", *both, "--out", "both")
    run_weft("train", text, *FLAGS, "--epochs", 1, "--tokenizer", "word", *both[:2], "--out", "one")
    assert run_weft("eval", "--run", "both").err == "the test text of both\n"
    assert run_weft("eval", "--run", "both", "--split", "valid").err == "the valid text of both\n"
    assert run_weft("eval", "--run", "one").err == "the valid text of one\n"
    assert "one has no test text" in run_weft("eval", "--run", "one", "--split", "test").err
    own = weft.load("both").tokenizer.decode(np.asarray(open_tokens("both/data/test.safetensors")))
    Path("own.txt").write_text(own, encoding="utf-8")
    assert run_weft("eval", "own.txt", "--run", "both").out == run_weft("eval", "--run", "both").out


@pytest.mark.parametrize("adapting", ["", "--dynamic"])
def test_progress_is_shown_on_a_terminal(
    run_weft: RunWeft, trained: Path, monkeypatch: pytest.MonkeyPatch, adapting: str
) -> None:
    monkeypatch.setattr("weft.commands.options.text_chunks.CHUNK_TOKENS", 7)
    before = run_weft("eval", "--run", trained, *adapting.split())
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    answer = run_weft("eval", "--run", trained, *adapting.split())
    assert answer.out == before.out
    assert "━" in answer.err
    assert re.search(rf"\d/{rows(answer)['tokens']}\D", answer.err)
    assert "━" not in before.err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("nowhere.txt", "there is no file, folder or corpus nowhere.txt"),
        ("empty.txt", "empty.txt is empty"),
        ("latin.txt", "latin.txt is not UTF-8: unexpected end of data 0xe9 at byte 3"),
        ("--split tset", "--split must be one of valid, test, got 'tset' (did you mean \"test\"?)"),
        ("--batch-size 0", "'--batch-size': expected at least 1, got 0"),
        ("--bptt 0", "'--bptt': expected at least 1, got 0"),
    ],
)
def test_unusable_input_is_an_error(run_weft: RunWeft, trained: Path, arguments: str, expected: str) -> None:
    Path("empty.txt").touch()
    Path("latin.txt").write_bytes("café".encode("latin-1"))
    assert expected in run_weft("eval", *arguments.split(), "--run", trained).refusal()


def test_without_a_run_the_error_says_what_to_do(run_weft: RunWeft) -> None:
    assert "there is none under runs/: train one with `weft train`" in run_weft("eval").refusal()


def test_the_newest_run_is_used_and_named(run_weft: RunWeft, text: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "a2"):
        run_weft("train", text, *FLAGS, "--epochs", 1, "--max-steps", 1, "--out", f"runs/{name}")
    assert run_weft("eval", text).err == "using runs/a2\n"
    monkeypatch.setenv("WEFT_RUN", "runs/b")
    assert run_weft("eval", text).err == ""
    assert run_weft("info").out.startswith("run\truns/b\n")

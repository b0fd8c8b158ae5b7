"""`weft tune`: the best options of a grid, in a form that `weft eval` accepts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from helpers.command_line import RunWeft, contents
from weft.commands import tune


@pytest.fixture(autouse=True)
def small_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tune, "SGD_RATES", (0.1, 1.0))
    monkeypatch.setattr(tune, "DECAYS", (0.0, 0.01))
    monkeypatch.setattr(tune, "WEIGHTS", (0.1, 0.4))
    monkeypatch.setattr(tune, "FLATNESSES", (0.0, 2.0))
    Path("again.txt").write_text("the cat sat on the mat and then the cat slept\n" * 12, encoding="utf-8")


@pytest.mark.parametrize("flags", ["--cache 30", "--dynamic --dynamic-block 7", "--dynamic --cache 30"])
def test_the_printed_options_are_the_best_and_reproduce_the_perplexity(
    run_weft: RunWeft, trained: Path, flags: str
) -> None:
    before = contents(trained)
    answer = run_weft("tune", "again.txt", "--run", trained, "--tokens", 10_000, *flags.split())
    assert answer.code == 0
    assert set(flags.split()) <= set(answer.out.split())
    tried = [float(found) for found in re.findall(r"^(?:lr|cache) .*: ([\d.]+)$", answer.err, re.MULTILINE)]
    assert len(tried) == 4 * (1 + flags.count("--dynamic --cache"))
    with_flags = run_weft("eval", "again.txt", "--run", trained, *answer.out.split())
    rows = dict(line.split("\t") for line in with_flags.out.splitlines())
    assert float(rows["perplexity_including_oov"]) == pytest.approx(min(tried[-4:]), abs=0.006)
    as_it_is = re.search(r"as it is: ([\d.]+)", answer.err)
    assert as_it_is
    assert min(tried) < float(as_it_is[1])
    assert contents(trained) == before


def test_tokens_limits_the_text(run_weft: RunWeft, trained: Path) -> None:
    answer = run_weft("tune", "again.txt", "--run", trained, "--tokens", 50, "--cache", 5)
    assert "perplexities over 50 tokens" in answer.err


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("", "say what is to be tuned: --dynamic, --cache N, or both"),
        ("--cache 5 --tokens 0", "'--tokens': expected at least 1, got 0"),
        ("--cache 5 --dynamic-rule rms", "--dynamic-rule is about --dynamic"),
        ("--cache 5 --split train", "--split must be one of valid, test, got 'train'"),
    ],
)
def test_options_that_exclude_each_other_are_one_line(
    run_weft: RunWeft, trained: Path, flags: str, expected: str
) -> None:
    assert expected in run_weft("tune", "again.txt", *flags.split(), "--run", trained).refusal()


def test_an_error_if_the_weights_diverge_at_every_rate(
    run_weft: RunWeft, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tune, "SGD_RATES", (1e30,))
    refusal = run_weft("tune", "again.txt", "--run", trained, "--dynamic", "--dynamic-block", 5).refusal()
    assert "the weights diverged with every learning rate" in refusal

"""`weft next` and `weft generate`."""

from __future__ import annotations

from pathlib import Path

import pytest

import weft
from helpers.command_line import RunWeft


def test_next_shows_the_likeliest_tokens(run_weft: RunWeft, trained: Path) -> None:
    header, *rows = run_weft("next", "the cat", "-k", 3, "--run", trained).out.splitlines()
    assert header == "token\tprobability"
    assert rows == [f"{token}\t{probability:.6f}" for token, probability in weft.load(trained).next("the cat", 3)]
    assert (
        len(run_weft("next", "--top", 99, "--run", trained).out.splitlines())
        == 1 + weft.load(trained).tokenizer.vocab_size
    )


def test_next_reports_unknown_words(run_weft: RunWeft, trained: Path) -> None:
    told = "1 of 2 tokens are not in the vocabulary and are read as <unk>\n"
    assert run_weft("next", "the zebra", "--run", trained).err == told
    assert run_weft("next", "the cat", "--run", trained).err == ""


def test_a_seed_makes_generation_deterministic(run_weft: RunWeft, trained: Path) -> None:
    line = ("generate", "--prompt", "the cat", "--max-tokens", 20, "--run", trained)
    first = run_weft(*line, "--seed", 1).out
    assert first == run_weft(*line, "--seed", 1).out
    assert first != run_weft(*line, "--seed", 2).out
    assert first == "the cat" + weft.load(trained).generate("the cat", 20, seed=1) + "\n"


def test_samples_differ_and_the_first_does_not_depend_on_their_number(run_weft: RunWeft, trained: Path) -> None:
    line = ("generate", "--max-tokens", 20, "--seed", 1, "--ban", "<eos>", "--run", trained)
    samples = run_weft(*line, "--num-samples", 3).out.split("---\n")
    assert len(set(samples)) == 3
    assert samples[0] == run_weft(*line).out


def test_the_prompt_can_be_standard_input(run_weft: RunWeft, trained: Path) -> None:
    line = ("generate", "--max-tokens", 5, "--seed", 1, "--run", trained, "--prompt")
    assert run_weft(*line, "-", stdin=b"the cat\r\nsat\n").out == run_weft(*line, "the cat\nsat").out
    assert "standard input is not UTF-8" in run_weft(*line, "-", stdin=b"\xff").refusal()


@pytest.mark.parametrize("ending", [" ", "\t", "  "])
def test_a_blank_at_the_end_of_a_prompt_is_not_doubled(run_weft: RunWeft, trained: Path, ending: str) -> None:
    line = ("generate", "--max-tokens", 5, "--seed", 1, "--ban", "<eos>", "--run", trained, "--prompt")
    plain, ended = run_weft(*line, "the cat"), run_weft(*line, f"the cat{ending}")
    assert ended.out == plain.out.replace("the cat ", f"the cat{ending}", 1)
    assert ended.err == ""


def test_a_blank_before_byte_pairs_is_reported(run_weft: RunWeft, text: Path) -> None:
    pytest.importorskip("tokenizers")
    weft.train(text, out="bpe", tokenizer="bpe", vocab_size=300, epochs=1, hidden_size=4, embedding_size=4)
    for line in (("generate", "--max-tokens", 2, "--prompt"), ("next",)):
        assert "the prompt ends in a blank" in run_weft(*line, "the cat ", "--run", "bpe").err
        assert run_weft(*line, "the cat", "--run", "bpe").err == ""


def test_banned_tokens_are_not_generated(run_weft: RunWeft, trained: Path) -> None:
    line = ("generate", "--max-tokens", 200, "--seed", 1, "--run", trained)
    assert {"the", "cat"} <= set(run_weft(*line).out.split())
    assert not {"the", "cat"} & set(run_weft(*line, "--ban", "the", "--ban", "cat").out.split())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("--temperature -1", "temperature must be a finite number of at least 0, got -1"),
        ("--temperature nan", "temperature must be a finite number of at least 0, got nan"),
        ("--top-k 0", "top-k must be at least 1, got 0"),
        ("--top-p 2", "top-p must lie in (0, 1], got 2"),
        ("--max-tokens 0", "'--max-tokens': expected at least 1, got 0"),
        ("--num-samples 0", "'--num-samples': expected at least 1, got 0"),
        ("--seed -1", "seed must be at least 0, got -1"),
        ("--ban zebra", "cannot ban 'zebra': it is not a token of this model"),
    ],
)
def test_unusable_generation_options_are_errors(
    run_weft: RunWeft, trained: Path, arguments: str, expected: str
) -> None:
    assert expected in run_weft("generate", *arguments.split(), "--run", trained).refusal()

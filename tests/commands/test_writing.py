"""`weft next` and `weft generate`, and what `weft info`, `weft data` and `weft demo` show."""

from __future__ import annotations

from pathlib import Path

import pytest

import weft
from helpers.command_line import FLAGS, RunWeft
from weft.commands.demo import show


def test_next_shows_the_likeliest_tokens(run_weft: RunWeft, trained: Path) -> None:
    header, *rows = run_weft("next", "the cat", "-k", 3, "--run", trained).out.splitlines()
    assert header == "token\tprobability"
    assert rows == [f"{token}\t{probability:.6f}" for token, probability in weft.load(trained).next("the cat", 3)]
    assert (
        len(run_weft("next", "--top", 99, "--run", trained).out.splitlines())
        == 1 + weft.load(trained).tokenizer.vocab_size
    )


def test_next_tells_of_unknown_words(run_weft: RunWeft, trained: Path) -> None:
    told = "1 of 2 tokens are not in the vocabulary and are read as <unk>\n"
    assert run_weft("next", "the zebra", "--run", trained).err == told
    assert run_weft("next", "the cat", "--run", trained).err == ""


def test_a_seed_makes_generation_repeatable_and_the_same_as_in_python(run_weft: RunWeft, trained: Path) -> None:
    line = ("generate", "--prompt", "the cat", "--max-tokens", 20, "--run", trained)
    first = run_weft(*line, "--seed", 1).out
    assert first == run_weft(*line, "--seed", 1).out
    assert first != run_weft(*line, "--seed", 2).out
    assert first == "the cat" + weft.load(trained).generate("the cat", 20, seed=1) + "\n"


def test_samples_differ_and_the_first_is_the_one_alone(run_weft: RunWeft, trained: Path) -> None:
    line = ("generate", "--max-tokens", 20, "--seed", 1, "--ban", "<eos>", "--run", trained)
    samples = run_weft(*line, "--num-samples", 3).out.split("---\n")
    assert len(set(samples)) == 3
    assert samples[0] == run_weft(*line).out


def test_the_prompt_can_be_standard_input(run_weft: RunWeft, trained: Path) -> None:
    line = ("generate", "--max-tokens", 5, "--seed", 1, "--run", trained, "--prompt")
    assert run_weft(*line, "-", stdin=b"the cat\r\nsat\n").out == run_weft(*line, "the cat\nsat").out
    assert "standard input is not UTF-8" in run_weft(*line, "-", stdin=b"\xff").refusal()


def test_banned_tokens_are_not_written(run_weft: RunWeft, trained: Path) -> None:
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
def test_what_generation_cannot_use_is_told(run_weft: RunWeft, trained: Path, arguments: str, expected: str) -> None:
    assert expected in run_weft("generate", *arguments.split(), "--run", trained).refusal()


def test_info_shows_settings_parameters_and_history(run_weft: RunWeft, trained: Path) -> None:
    answer = run_weft("info", trained)
    assert answer == run_weft("info", "--run", trained)
    rows = dict(line.split("\t") for line in answer.out.splitlines() if "\t" in line)
    lm = weft.load(trained)
    assert (rows["cell"], rows["hidden_size"], rows["tied"]) == ("lstm", "8", "false")
    assert int(rows["parameters"]) == sum(array.size for array in lm.model.named_parameters().values())
    assert int(rows["vocabulary"]) == lm.tokenizer.vocab_size == 2 + 12
    assert rows["parameter recurrent.0.Wh"] == "8 x 32"
    assert rows["last_checkpoint"].startswith("step-")
    assert answer.out.splitlines()[-1].startswith("epoch 1 done: perplexity training ")


def test_data_lists_the_corpora(run_weft: RunWeft) -> None:
    header, *rows = [line.split("\t") for line in run_weft("data").out.splitlines()]
    assert header == ["name", "what it is", "size (MB)", "licence", "where it is"]
    assert [row[0] for row in rows] == ["ptb", "wikitext-2", "tinyshakespeare", "text8"]
    assert {row[-1] for row in rows} == {"not here"}
    assert 'no corpus is named "pbt" (did you mean "ptb"?)' in run_weft("data", "pbt").refusal()


def test_the_demo_shows_perplexity_text_and_surprisal(
    run_weft: RunWeft, text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_weft("train", text, *FLAGS, "--epochs", 1, "--out", "run")
    show(weft.load("run"), Path("run"))
    shown = capsys.readouterr().out
    places = [
        shown.index(part) for part in ("before training", "after training", "it writes", "surprisal", "next: weft")
    ]
    assert places == sorted(places)
    kept = run_weft("demo", "--out", "run")  # one that is there is shown again
    assert (kept.code, kept.out) == (0, shown)
    assert kept.err == "run is here already; --overwrite trains it again\n"

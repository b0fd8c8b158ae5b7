"""Numbers per character, byte and word, which compare models with different tokenizers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

import weft
from helpers.command_line import Answer, RunWeft
from weft.config.toml import read_text_sizes
from weft.text.size import TextSize

HELD_OUT = "Où est\tle café ?\n\nle café  est là.\n"
SIZE = TextSize(characters=35, bytes=39, words=12)
UNITS = ("bits_per_character", "bits_per_byte", "perplexity_per_word")


@pytest.fixture
def valid(tmp_path: Path) -> Path:
    file = tmp_path / "valid.txt"
    file.write_text(HELD_OUT, "utf-8")
    return file


def trained(kind: str, folder: Path, valid: Path, train: str = HELD_OUT) -> Path:
    text = folder / "train.txt"
    text.write_text(train * 40, "utf-8")
    sizes: dict[str, Any] = {
        "hidden_size": 4,
        "embedding_size": 4,
        "epochs": 1,
        "batch_size": 4,
        "min_count": 1,
        "kernels": "plain",
    }
    weft.train(text, valid=str(valid), tokenizer=kind, out=folder / kind, **sizes)
    return folder / kind


def rows(answer: Answer) -> dict[str, str]:
    assert answer.code == 0, answer.err
    return dict(line.split("\t") for line in answer.out.splitlines())


@pytest.mark.parametrize("kind", ["word", "text", "char", "bpe"])
def test_they_are_the_same_sum_over_other_units(run_weft: RunWeft, tmp_path: Path, valid: Path, kind: str) -> None:
    run = trained(kind, tmp_path, valid)
    named, own = rows(run_weft("eval", valid, "--run", run)), rows(run_weft("eval", "--run", run))
    assert named == own
    assert (named["characters"], named["bytes"], named["words_and_line_ends"]) == ("35", "39", "12")
    nats = float(named["total_nats"])
    assert float(named["bits_per_character"]) == pytest.approx(nats / 35 / math.log(2), rel=1e-4)
    assert float(named["bits_per_byte"]) == pytest.approx(nats / 39 / math.log(2), rel=1e-4)
    assert float(named["perplexity_per_word"]) == pytest.approx(math.exp(nats / 12), rel=1e-4)
    evaluation = weft.load(run).evaluate([HELD_OUT])
    assert evaluation.size == SIZE
    assert evaluation.bits_per_character == pytest.approx(nats / 35 / math.log(2), rel=1e-4)


def test_a_run_without_sizes_has_no_rows_per_character(run_weft: RunWeft, tmp_path: Path, valid: Path) -> None:
    run = trained("word", tmp_path, valid)
    config = run / "config.toml"
    assert read_text_sizes(config)["valid"] == SIZE
    kept = [line for line in config.read_text("utf-8").splitlines() if not line.startswith("digest")]
    config.write_text("\n".join(kept[: kept.index("[characters]")]), "utf-8")
    assert not set(UNITS) & set(rows(run_weft("eval", "--run", run)))


def test_unknown_words_make_them_a_bound_which_is_said(run_weft: RunWeft, tmp_path: Path, valid: Path) -> None:
    run = trained("text", tmp_path, valid, "le café est là. " * 9 + "\n")
    answer = run_weft("eval", "--run", run)
    unknown = rows(answer)["oov_tokens"]
    assert int(unknown) > 0
    assert f"lower bounds: {unknown} unknown words count as <unk>, without the letters" in answer.err
    known = run_weft("eval", "-", "--run", run, stdin=b"est")
    assert "lower bounds" not in known.err


def test_training_and_comparison_print_them(run_weft: RunWeft, tmp_path: Path, valid: Path) -> None:
    run = trained("char", tmp_path, valid)
    evaluated = rows(run_weft("eval", "--run", run))
    compared = run_weft("compare", run, "--baseline", "none", "--format", "tsv").out.splitlines()
    first = dict(zip(compared[0].split("\t"), compared[1].split("\t"), strict=True))
    assert {unit: float(first[unit]) for unit in UNITS} == pytest.approx(
        {unit: float(evaluated[unit]) for unit in UNITS}, rel=1e-5
    )
    resumed = run_weft("train", "--resume", "--out", run, "--epochs", 2)
    bits = float(rows(run_weft("eval", "--run", run))["bits_per_character"])
    assert f"  {bits:.4g} bits per character, " in resumed.out
    assert read_text_sizes(run / "config.toml")["valid"] == SIZE

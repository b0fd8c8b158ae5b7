"""`weft ngram train` and `weft ngram eval`: from a text to an ARPA file, and from an ARPA file to a perplexity."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from helpers.command_line import RunWeft
from weft.commands.evaluation_rows import evaluation_rows
from weft.evaluation.evaluate import summed
from weft.ngram.discounts import FALLBACK
from weft.word_ngram import load_arpa


@pytest.fixture
def arpa(run_weft: RunWeft, text: Path) -> Path:
    answer = run_weft("ngram", "train", text, "--order", 3, "--out", "my.arpa", "--discount-fallback")
    assert answer.code == 0
    return Path("my.arpa")


def test_training_prints_counts_and_discounts(run_weft: RunWeft, text: Path) -> None:
    answer = run_weft("ngram", "train", text, "-o", "my.arpa.gz", "--discount-fallback")
    header, *lines = [line.split("\t") for line in answer.out.splitlines()]
    assert header == ["order", "ngrams", "discount_1", "discount_2", "discount_3_or_more"]
    model = load_arpa("my.arpa.gz").model
    assert [(int(line[0]), int(line[1])) for line in lines] == [
        (n, len(table.keys)) for n, table in enumerate(model.tables, start=1)
    ]
    assert model.order == 5
    assert [float(value) for value in lines[0][2:]] == list(FALLBACK)
    assert answer.err == "1,350 tokens, 14 different\nwriting my.arpa.gz\n"


def test_evaluation_gives_the_rows_of_eval(run_weft: RunWeft, arpa: Path, text: Path) -> None:
    answer = run_weft("ngram", "eval", arpa, text)
    found = dict(line.split("\t") for line in answer.out.splitlines())
    assert list(found) == [name for name, _ in evaluation_rows(summed(load_arpa(arpa).token_nats(["a\n"])))]
    result = load_arpa(arpa).evaluate([text.read_text("utf-8")])
    assert (found["tokens"], found["oov_tokens"]) == ("1350", "0")
    assert float(found["total_nats"]) == pytest.approx(result.loss.nats, abs=1e-4)
    assert float(found["perplexity_including_oov"]) == pytest.approx(math.exp(result.loss.nats / 1350), abs=1e-4)
    assert found["unigram_perplexity"] == ""


def test_unknown_words_are_counted_separately(run_weft: RunWeft, arpa: Path) -> None:
    answer = run_weft("ngram", "eval", arpa, "-", stdin="the zebra sat\nthe 海\n".encode())
    found = dict(line.split("\t") for line in answer.out.splitlines())
    assert (found["tokens"], found["oov_tokens"]) == ("7", "2")
    assert float(found["perplexity_excluding_oov"]) < float(found["perplexity_including_oov"])


def test_rare_words_become_unknown(run_weft: RunWeft) -> None:
    Path("rare.txt").write_text("a a a b b c\na b a\n", encoding="utf-8")
    run_weft("ngram", "train", "rare.txt", "--order", 2, "--min-count", 2, "--out", "r.arpa", "--discount-fallback")
    assert load_arpa("r.arpa").tokenizer.tokens == ["<unk>", "<eos>", "a", "b"]
    run_weft("ngram", "train", "rare.txt", "--order", 2, "--vocab-size", 3, "--out", "v.arpa", "--discount-fallback")
    assert load_arpa("v.arpa").tokenizer.tokens == ["<unk>", "<eos>", "a"]


def test_short_lines_lower_the_order(run_weft: RunWeft) -> None:
    Path("short.txt").write_text("a\nb\na\n", encoding="utf-8")
    answer = run_weft("ngram", "train", "short.txt", "--out", "short.arpa", "--discount-fallback")
    assert "no line is long enough for n-grams of order 5: the order is 3\n" in answer.err
    assert load_arpa("short.arpa").model.order == 3


def test_a_file_is_replaced_only_with_overwrite(run_weft: RunWeft, arpa: Path, text: Path) -> None:
    before = arpa.read_bytes()
    train = ("ngram", "train", text, "--order", 2, "--out", arpa, "--discount-fallback")
    assert "my.arpa is there already: replace it with --overwrite" in run_weft(*train).refusal()
    assert arpa.read_bytes() == before
    assert run_weft(*train, "--overwrite").code == 0
    assert load_arpa(arpa).model.order == 2


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ngram", "weft ngram needs a command: train, eval"),
        ("ngram trian", "no such command 'trian' (did you mean \"train\"?); known: train, eval"),
        ("ngram train my.txt --otu x", 'no such option --otu (did you mean "--out"?); weft ngram train --help'),
        ("ngram train my.txt", "Missing option '--out'"),
        ("ngram train my.txt --out new.arpa --order 6", "--order must be from 1 to 5, got 6"),
        ("ngram train my.txt --out new.arpa --order five", "expected a whole number, got 'five'"),
        (
            "ngram train my.txt --out nowhere/new.arpa",
            "there is no folder nowhere for the n-grams, new.arpa: make it first",
        ),
        ("ngram train my.txt --out .", ". is a folder: name a file for the n-grams"),
        ("ngram train yours.txt --out new.arpa", "there is no file, folder or corpus yours.txt"),
        ("ngram train marks.txt --out new.arpa", "the text has the word <s>, which is a sentence mark in ARPA files"),
        ("ngram train tiny.txt --out new.arpa", "or fixed discounts (--discount-fallback)"),
        ("ngram train my.txt --out new.arpa --vocab-size 2", "vocab_size must be at least 3"),
        ("ngram eval new.arpa my.txt", "there is no file new.arpa"),
        ("ngram eval . my.txt", ". is a folder, not an ARPA file; a run is measured with `weft eval --run .`"),
        ("ngram eval my.txt my.txt", "my.txt is not an ARPA file: it has no line \\data\\"),
        ("ngram eval my.txt my.txt --split tset", "--split must be one of valid, test, got 'tset'"),
    ],
)
def test_errors_are_one_line_and_leave_no_files(run_weft: RunWeft, text: Path, line: str, expected: str) -> None:
    Path("marks.txt").write_text("<s> a b </s>\n", encoding="utf-8")
    Path("tiny.txt").write_text("you say goodbye and i say hello .\n", encoding="utf-8")
    files = sorted(Path().iterdir())
    answer = run_weft(*line.split())
    assert expected in answer.err.splitlines()[-1]
    assert answer.code == 2
    assert answer.out == ""
    assert sorted(Path().iterdir()) == files

"""LM-Zoo's listings: the tokens of `tokenize`, the marks of `unkify` and the rows of `score --format lm-zoo` agree."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

import weft
from helpers.command_line import SIZES, RunWeft
from helpers.untrained import untrained
from weft.scoring.formats import FORMATS, Layout
from weft.scoring.formats.lm_zoo import listed_tokens, listed_unknown

pd: Any = pytest.importorskip("pandas")

LINES = 'the cat "sat"\n\nzebra  on the mat\n'


def listing(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


@pytest.mark.parametrize("more", [[], ["--no-eos"]])
def test_the_three_listings_have_the_same_tokens(run_weft: RunWeft, trained: Path, more: list[str]) -> None:
    Path("lines.txt").write_text(LINES)
    common = ("--file", "lines.txt", "--run", trained, *more)
    table = pd.read_csv(io.StringIO(run_weft("score", "--format", "lm-zoo", *common).out), sep="\t")
    assert list(table.columns) == ["sentence_id", "token_id", "token", "surprisal"]
    tokens, unknown = listing(run_weft("tokenize", *common).out), listing(run_weft("unkify", *common).out)
    assert len(tokens) == len(unknown) == 3
    for number, (line, marks) in enumerate(zip(tokens, unknown, strict=True), start=1):
        rows = table[table.sentence_id == number]
        assert list(rows.token) == line
        assert list(rows.token_id) == list(range(1, len(line) + 1))
        assert marks == ["1" if token == "<unk>" else "0" for token in line]
    assert tokens[0][:3] == ["the", "cat", "<unk>"]
    lm = weft.load(trained)
    expected = [score.surprisal_bits for line in LINES.splitlines() for score in lm.scores(line, not more)]
    assert list(table.surprisal) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("kind", ["word", "text", "char", "bpe"])
def test_no_token_has_white_space_or_is_lost(kind: str) -> None:
    lines = ['a "b" \t c\u2028d\u00a0e', "", " x", "NA 我 ĠĠ", '"']
    lm = untrained(kind, ['a "b" \t c\u2028d\u00a0e NA " x\n'])
    scored = list(lm.score_lines(lines))
    written = "".join(FORMATS["lm-zoo"].write(scored, Layout()))
    table = pd.read_csv(io.StringIO(written), sep="\t", keep_default_na=False)
    assert len(table) == sum(map(len, scored))
    for line, scores in enumerate(scored, start=1):
        listed = listed_tokens(score.token for score in scores)
        assert listed.count("\n") == 1
        assert list(table.token[table.sentence_id == line]) == listed.split()
        assert len(listed.split()) == len(scores) == len(listed_unknown(score.oov for score in scores).split())


def test_scores_of_unknown_words_can_be_undefined(run_weft: RunWeft, trained: Path) -> None:
    rows = run_weft("score", "the zebra", "--format", "lm-zoo", "--unknown-as-na", "--run", trained).out.splitlines()
    assert rows[2] == "1\t2\t<unk>\t"
    assert rows[1].startswith("1\t1\tthe\t")


def test_lines_can_be_arguments_or_standard_input(run_weft: RunWeft, trained: Path) -> None:
    for command in ("tokenize", "unkify"):
        given = run_weft(command, "the cat", "dog", "--run", trained).out
        assert given == run_weft(command, "--run", trained, stdin=b"the cat\ndog\n").out
        assert given == run_weft(command, "the cat\ndog", "--run", trained).out
    assert "once" in run_weft("unkify", "the", "--file", "x", "--run", trained).refusal()
    assert run_weft("tokenize", "the", "--run", "nothing").refusal().startswith("no run folder at nothing")


def test_the_weights_are_not_read(run_weft: RunWeft, trained: Path) -> None:
    (trained / "model.safetensors").unlink()
    assert run_weft("tokenize", "the cat", "--run", trained).out == "the cat <eos>\n"


def test_spaces_within_tokens_are_those_of_gpt2(run_weft: RunWeft, text: Path) -> None:
    weft.train(text, out="chars", epochs=1, tokenizer="char", **SIZES)
    assert run_weft("tokenize", "a cat", "--run", "chars").out == "a Ġ c a t <eos>\n"


def test_a_word_that_ends_lines_does_so_in_all_listings(run_weft: RunWeft, trained: Path) -> None:
    Path("marked.txt").write_text("the cat <eos>\nsat <eos> on the mat\r\n")
    common = ("--file", "marked.txt", "--line-end-marker", "<eos>", "--run", trained)
    assert run_weft("tokenize", *common).out == "the cat <eos>\nsat <eos>\non the mat <eos>\n"
    assert listing(run_weft("unkify", *common).out) == [["0"] * 3, ["0"] * 2, ["0"] * 4]
    rows = run_weft("score", "--format", "lm-zoo", *common).out.splitlines()[1:]
    assert [row.split("\t")[2] for row in rows] == ["the", "cat", "<eos>", "sat", "<eos>", "on", "the", "mat", "<eos>"]

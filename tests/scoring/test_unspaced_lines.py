"""Text without spaces (Chinese, Japanese, Thai): a row for each character, and numbers in every column."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

import weft
from weft.scoring import Wanted
from weft.scoring.assembling import whole_characters
from weft.scoring.formats import FORMATS, Layout
from weft.scoring.token_score import TokenScore
from weft.scoring.words import has_no_spaces

CHINESE = "我喜欢你，你喜欢我。\n你好世界， GPT。\n"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("我喜欢你。", True),
        ("我喜欢 GPT 模型。", True),
        ("你好。 再见。", True),
        ("ภาษาไทย", True),
        ("日本語の文章です", True),
        ("我 喜欢 你", False),
        ("the word 我 means I", False),
        ("hello", False),
        ("안녕 세계", False),
        ("", False),
    ],
)
def test_lines_without_spaces_are_told_from_words(line: str, expected: bool) -> None:
    assert has_no_spaces(line) == expected


@pytest.fixture(scope="module")
def lm(tmp_path_factory: pytest.TempPathFactory) -> weft.LanguageModel:
    text = tmp_path_factory.mktemp("chinese") / "zh.txt"
    text.write_text(CHINESE * 40, encoding="utf-8")
    return weft.train(text, tokenizer="char", epochs=1, hidden_size=8, embedding_size=8)


def surprisal_rows(lm: weft.LanguageModel, line: str) -> list[list[str]]:
    scored = lm.score_lines([line], wanted=Wanted(words=True, entropy=True))
    return [row.split(" ") for row in "".join(FORMATS["surprisal"].write(scored, Layout())).splitlines()[1:]]


def test_surprisal_has_a_row_for_each_character_without_an_undefined_field(lm: weft.LanguageModel) -> None:
    line = "我喜欢你。"
    rows = surprisal_rows(lm, line)
    assert [row[0] for row in rows] == list(line)
    assert [len(row) for row in rows] == [8] * 5
    assert all(math.isfinite(float(field)) for row in rows for field in row[1:])
    tokens = lm.scores(line, wanted=Wanted(entropy=True))
    assert [float(row[4]) for row in rows] == pytest.approx([score.surprisal_bits for score in tokens[:-1]])
    assert float(rows[0][5]) == pytest.approx((tokens[0].entropy_nats or 0) / math.log(2))


def test_words_that_were_cut_before_stay_words(lm: weft.LanguageModel) -> None:
    assert [row[0] for row in surprisal_rows(lm, "我 喜欢 你")] == ["我", "喜欢", "你"]


def test_the_rows_of_a_line_add_up_to_its_probability(lm: weft.LanguageModel) -> None:
    for line in ("我喜欢你。", "我喜欢 GPT 模型", "我 喜欢 你"):
        words = next(lm.score_lines([line], wanted=Wanted(words=True)))
        assert math.fsum(score.logprob_nats for score in words) == pytest.approx(lm.logprob(line))
        assert [line[score.start : score.end] for score in words] == [score.text for score in words]
        assert [score.position for score in words] == list(range(len(words)))


def test_tokens_that_share_a_character_are_one_row() -> None:
    spans = [(0, 1), (0, 1), (0, 2), (2, 3), (3, 3)]
    texts = ["我", "我", "我喜", "欢", ""]
    scores = [
        TokenScore(0, position, "?", text, *span, -1.0, 2.0, None, False)
        for position, (text, span) in enumerate(zip(texts, spans, strict=True))
    ]
    joined = whole_characters(scores)
    assert [(score.text, score.start, score.end, score.position) for score in joined] == [
        ("我喜", 0, 2, 0), ("欢", 2, 3, 1), ("", 3, 3, 2),
    ]  # fmt: skip
    assert [score.logprob_nats for score in joined] == [-3.0, -1.0, -1.0]
    assert [score.entropy_nats for score in joined] == [None, 2.0, 2.0]


def test_byte_pairs_of_chinese_have_rows_of_characters(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    text = tmp_path / "zh.txt"
    text.write_text(CHINESE * 40, encoding="utf-8")
    lm = weft.train(text, tokenizer="bpe", vocab_size=300, epochs=1, hidden_size=8, embedding_size=8)
    line = "我喜欢猫。"  # the cat is not in the training text: its bytes are tokens
    rows = surprisal_rows(lm, line)
    assert "".join(row[0] for row in rows) == line
    assert sum(float(row[4]) for row in rows) * math.log(2) == pytest.approx(-lm.logprob(line, eos=False))

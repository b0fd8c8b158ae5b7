"""LanguageModel: all methods agree on probabilities, and generation obeys its options."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pytest

from helpers.untrained import TEXT, untrained
from weft.errors import InputError
from weft.language_model import LanguageModel

KINDS = ("word", "char", "bpe")
LINE = "you say 你喜欢 😀 hello"


@pytest.fixture(params=KINDS)
def lm(request: pytest.FixtureRequest) -> LanguageModel:
    return untrained(request.param)


def test_all_methods_agree_on_the_probability_of_a_text(lm: LanguageModel) -> None:
    bits = [bits for _token, bits in lm.surprisal(LINE)]
    logprob = lm.logprob(LINE)
    assert logprob == pytest.approx(-math.fsum(bits) * math.log(2))
    assert logprob == pytest.approx(lm.start().push(LINE + "\n").logprob_nats, rel=1e-5)
    assert logprob == pytest.approx(-len(bits) * math.log(lm.perplexity(LINE)), rel=1e-5)
    assert logprob == pytest.approx(-lm.evaluate([LINE + "\n"]).loss.nats, rel=1e-5)


def test_the_probability_is_the_product_of_next_probabilities() -> None:
    lm = untrained("word")
    words = ["you", "say", "hello", "<eos>"]
    product = math.prod(dict(lm.next(" ".join(words[:n]), 99))[word] for n, word in enumerate(words))
    assert math.exp(lm.logprob("you say hello")) == pytest.approx(product, rel=1e-5)


def test_eos_false_leaves_out_the_line_end(lm: LanguageModel) -> None:
    whole, beginning = lm.scores(LINE), lm.scores(LINE, eos=False)
    assert [score.token for score in whole] == [*(score.token for score in beginning), "<eos>"]
    assert lm.scores("", eos=False) == []
    assert [score.token for score in lm.scores("")] == ["<eos>"]
    with pytest.raises(InputError, match="at least one token"):
        lm.perplexity("", eos=False)


def test_all_probabilities_sum_to_one(lm: LanguageModel) -> None:
    likeliest = lm.next("say", lm.tokenizer.vocab_size + 5)
    assert len(likeliest) == lm.tokenizer.vocab_size
    assert math.fsum(probability for _token, probability in likeliest) == pytest.approx(1)
    assert [p for _, p in likeliest] == sorted((p for _, p in likeliest), reverse=True)
    assert lm.next("say", 3) == likeliest[:3]


def test_line_scores_do_not_depend_on_the_batch_size(lm: LanguageModel) -> None:
    lines = [LINE, "", "say", LINE + " " + LINE, "hello"]
    alone = [[score.logprob_nats for score in lm.scores(line)] for line in lines]
    for batch_size in (1, 2, 5, 50):
        together = [[score.logprob_nats for score in scores] for scores in lm.score_lines(lines, batch_size)]
        for ours, theirs in zip(together, alone, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5)

    def endless() -> Iterable[str]:
        while True:
            yield "say hello"

    scored = lm.score_lines(endless(), 2)
    assert [len(next(scored)) for _ in range(5)] == [len(lm.scores("say hello"))] * 5


def test_words_out_of_the_vocabulary_are_marked_and_counted() -> None:
    lm = untrained("word")
    scores = lm.scores("you say nonsense")
    assert [(score.token, score.oov) for score in scores] == [
        ("you", False), ("say", False), ("<unk>", True), ("<eos>", False),
    ]  # fmt: skip
    result = lm.evaluate(["you say nonsense\n"])
    assert (result.loss.tokens, result.oov_loss.tokens) == (4, 1)
    known = math.fsum(score.logprob_nats for score in scores if not score.oov)
    assert result.perplexity_without_oov == pytest.approx(math.exp(-known / 3), rel=1e-5)


@pytest.mark.parametrize(("batch_size", "bptt"), [(1, 1), (1, 500), (3, 7), (40, 2)])
def test_the_loss_depends_neither_on_batch_size_nor_on_bptt(lm: LanguageModel, batch_size: int, bptt: int) -> None:
    text = TEXT * 5
    result = lm.evaluate(text, batch_size, bptt)
    assert result.loss.nats == pytest.approx(-lm.start().push("".join(text)).logprob_nats, rel=1e-4)
    assert result.loss.tokens == len(lm.tokenizer.encode("".join(text)))


def test_windows_line_ends_are_line_ends(lm: LanguageModel) -> None:
    assert lm.logprob("say\r\nhello") == lm.logprob("say\nhello")
    assert lm.start().push("say\r\n") == lm.start().push("say\n")


def test_the_same_seed_generates_the_same_text(lm: LanguageModel) -> None:
    texts = [lm.generate("say", 30, seed=seed) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]
    assert lm.generate("say", 30, seed=np.random.default_rng(1)) == texts[0]
    assert "".join(lm.generate_pieces("say", 30, seed=1)) == texts[0]


def test_generation_starts_after_the_prompt() -> None:
    lm = untrained("word")
    (likeliest, _), *_rest = lm.next("you say", lm.tokenizer.vocab_size)
    assert lm.generate("you say", 1, temperature=0).strip() == likeliest.replace("<eos>", "")


def test_a_banned_token_is_never_generated() -> None:
    lm = untrained("word")
    text = lm.generate("", 300, seed=1, ban=["say", "<eos>"])
    assert "say" not in text.split()
    assert "\n" not in text
    assert "<unk>" in text  # `ban` replaces the default
    assert "<unk>" not in lm.generate("", 300, seed=1)
    assert "say" not in lm.generate("", 300, seed=1, ban="say").split()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_tokens": 0}, "max_tokens must be at least 1, got 0"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": math.nan}, "temperature"),
        ({"top_k": 0}, "top-k"),
        ({"top_p": 1.5}, "top-p"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"ban": ["nonsense"]}, "cannot ban 'nonsense'"),
    ],
)
def test_invalid_options_are_refused_before_generation(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        untrained().generate_pieces("say", **options)  # type: ignore[arg-type]


def test_fewer_than_one_next_token_is_refused() -> None:
    with pytest.raises(InputError, match="k must be at least 1, got 0"):
        untrained().next("say", 0)

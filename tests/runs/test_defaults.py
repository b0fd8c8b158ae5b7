"""The choices for a text give a complete, valid configuration, keep given settings, and are all explained."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.config import FIELDS, Config
from weft.model import RNNLM
from weft.runs.defaults import Choices, choose_text, choose_training
from weft.text.batches import Blocks
from weft.text.statistics import TextStatistics, text_statistics

MANY_WORDS = 10**9


def statistics(
    words: int = 1000,
    letters_a_word: float = 4.0,
    lines: int | None = None,
    distinct_words: int | None = None,
    **more: Any,
) -> TextStatistics:
    letters = round(words * letters_a_word)
    lines = max(1, words // 10) if lines is None else lines
    distinct = min(words, 50_000) if distinct_words is None else distinct_words
    return TextStatistics(letters + words, lines, words, letters, distinct, **more)


def chosen(
    values: dict[str, Any], text: TextStatistics, tokens: int = 10_000, types: int = 80, held_out: bool = False
) -> Config:
    choices = choose_text({"data": ("a",)} | values, text, held_out, bool(values.get("test")))
    return choose_training(choices, tokens, types)


def settings_in(config: Config) -> dict[str, Any]:
    return {**vars(config.text), **vars(config.model), **vars(config.training)}


sizes = st.integers(1, 10**8)


@given(words=sizes, letters=st.floats(1, 100), lines=sizes, tokens=sizes, types=st.integers(3, 200_000))
def test_every_text_gets_a_configuration_that_can_be_trained(
    words: int, letters: float, lines: int, tokens: int, types: int
) -> None:
    config = chosen({}, statistics(words, letters, min(lines, words)), tokens, types)
    assert config.text.valid_fraction + config.text.test_fraction <= 0.2
    assert config.training.batch_size * config.training.bptt <= tokens
    assert not config.model.tied or config.model.embedding_size == config.model.hidden_size


@given(tokens=st.integers(1, 10_000), batch_size=st.integers(1, 64))
def test_blocks_fit_the_text_for_any_given_number_of_streams(tokens: int, batch_size: int) -> None:
    training = chosen({"batch_size": min(batch_size, tokens)}, statistics(), tokens).training
    Blocks([0] * tokens, training.batch_size, training.bptt)


@given(tokens=st.integers(1, 10_000), bptt=st.integers(1, 200))
def test_blocks_fit_the_text_for_any_given_length(tokens: int, bptt: int) -> None:
    training = chosen({"bptt": min(bptt, tokens)}, statistics(), tokens).training
    Blocks([0] * tokens, training.batch_size, training.bptt)


GIVEN = {
    "valid_fraction": 0.25,
    "test_fraction": 0.125,
    "tokenizer": "bpe",
    "vocab_size": 77,
    "min_count": 3,
    "cell": "gru",
    "embedding_size": 9,
    "hidden_size": 11,
    "layers": 3,
    "dropout": 0.75,
    "embedding_std": 0.5,
    "tied": False,
    "batch_size": 5,
    "bptt": 6,
    "epochs": 7,
    "max_steps": 8,
    "optimizer": "sgd",
    "lr": 0.375,
    "schedule": "constant",
    "clip": 2.5,
    "patience": 4,
    "kernels": "fused",
    "threads": 3,
    "seed": 42,
    "save_every": 3.5,
}


@pytest.mark.parametrize("name", GIVEN)
@pytest.mark.parametrize("words", [100, 30_000, 10_000_000])
def test_a_given_setting_is_kept_and_not_explained(name: str, words: int) -> None:
    values = {"data": ("a",), name: GIVEN[name]} | ({"kernels": "fused"} if name == "threads" else {})
    choices = choose_text(values, statistics(words), valid_given=False, test_given=False)
    config = choose_training(choices, words, 10_000)
    assert settings_in(config)[name] == GIVEN[name]
    assert not any(reason.startswith(f"{name} ") or f", {name} " in reason for reason in choices.reasons)


def test_if_all_settings_are_given_none_is_chosen() -> None:
    choices = choose_text({"data": ("a",)} | GIVEN, statistics(), valid_given=False, test_given=False)
    config = choose_training(choices, 1000, 80)
    assert choices.reasons == []
    assert {name: settings_in(config)[name] for name in GIVEN} == GIVEN


@pytest.mark.parametrize("words", [100, 30_000, 10_000_000])
def test_every_choice_is_explained_in_one_line_that_begins_with_it(words: int) -> None:
    choices = choose_text({"data": ("a",)}, statistics(words), valid_given=False, test_given=False)
    values = settings_in(choose_training(choices, words, 10_000))
    explained = {}
    for reason in choices.reasons:
        assert "\n" not in reason
        names, why = reason.split(": ", 1)
        assert why
        explained.update(dict(each.split(" ", 1) for each in names.split(", ")))
    for name, item in FIELDS.items():
        assert (name in explained) or name == "data" or values[name] == item.default, (
            f"{name} was chosen without a reason"
        )


@pytest.mark.parametrize(
    ("text", "tokenizer"),
    [
        (statistics(words=1_900), "char"),
        (statistics(words=30_000), "word"),
        (statistics(words=15_000_000), "word"),
        (statistics(words=30_000, letters_a_word=40), "char"),
        (text_statistics(["我们在这里写了很长的一行中文文字没有空格\n"] * 50_000), "char"),
        (text_statistics(["the cat sat on the mat and it was warm\n"] * 5_000), "word"),
        (text_statistics(["the cat , mr. john , sat on the mat , and it was warm .\n"] * 5_000), "word"),
        (text_statistics(['The cat sat on the mat (so it "seemed"), and it was warm.\n'] * 5_000), "text"),
        (text_statistics(["the <unk> cat, sat, on the mat, warm\n"] * 5_000), "word"),
        (text_statistics(["The cat, warm.\n"]), "char"),
    ],
)
def test_tokens_are_words_if_there_are_enough_of_them(text: TextStatistics, tokenizer: str) -> None:
    assert chosen({}, text).text.tokenizer == tokenizer


def test_the_vocabulary_of_a_text_with_unk_is_not_reduced() -> None:
    with_unk = chosen({}, statistics(900_000, has_unk=True, distinct_words=10_000)).text
    assert (with_unk.min_count, with_unk.vocab_size) == (1, None)
    without = chosen({}, statistics(900_000, distinct_words=30_000)).text
    assert (without.min_count, without.vocab_size) == (2, 10_000)


@pytest.mark.parametrize("words", [1_900, 30_000, 500_000, MANY_WORDS, 10 * MANY_WORDS])
def test_something_is_held_out_of_every_text_but_the_shortest(words: int) -> None:
    text = chosen({}, statistics(words)).text
    assert 0 < text.valid_fraction <= 0.1
    assert 0 <= text.test_fraction <= 0.1


@pytest.mark.parametrize("text", [statistics(10), statistics(6_000, lines=1)])
def test_nothing_is_held_out_of_a_text_with_too_few_pieces(text: TextStatistics) -> None:
    assert (chosen({}, text).text.valid_fraction, chosen({}, text).text.test_fraction) == (0, 0)


def test_a_long_text_in_one_line_is_cut_within_the_line() -> None:
    assert chosen({}, statistics(MANY_WORDS, lines=1)).text.valid_fraction > 0


def test_nothing_is_held_out_for_a_given_part() -> None:
    text = statistics(1_000_000)
    given_valid = chosen({"valid": ("v",)}, text, held_out=True).text
    assert (given_valid.valid_fraction, given_valid.test_fraction) == (0, 0)
    given_test = chosen({"test": ("t",)}, text).text
    assert given_test.valid_fraction > 0
    assert given_test.test_fraction == 0


@pytest.mark.parametrize("types", [80, 10_000])
@pytest.mark.parametrize("values", [{}, {"embedding_size": 24}, {"hidden_size": 48}])
def test_tied_weights_get_sizes_that_can_be_tied(types: int, values: dict[str, int]) -> None:
    model = chosen({"tied": True} | values, statistics(), 100_000, types).model
    RNNLM(types, model.embedding_size, model.hidden_size, tied=model.tied)


def test_dropout_is_not_chosen_if_it_is_given_for_every_position() -> None:
    shares = {"dropout_in": 0.1, "dropout_out": 0.2}
    assert chosen(shares, statistics(), 30_000).model.dropout == 0
    assert chosen(shares | {"layers": 2}, statistics(), 30_000).model.dropout > 0
    assert chosen(shares | {"layers": 2, "dropout_between": 0.0}, statistics(), 30_000).model.dropout == 0


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adamw"])
def test_every_optimizer_gets_a_learning_rate_and_a_schedule(optimizer: str) -> None:
    training = chosen({"optimizer": optimizer}, statistics()).training
    assert (training.optimizer, training.schedule) == (optimizer, "cosine" if optimizer == "adamw" else "plateau")
    assert training.lr > 0


def test_the_reason_for_the_learning_rate_does_not_mention_an_unused_schedule() -> None:
    choices = choose_text({"data": ("a",), "schedule": "constant"}, statistics(), valid_given=False, test_given=False)
    choose_training(choices, 1000, 80)
    (reason,) = (reason for reason in choices.reasons if reason.startswith("lr "))
    assert "falls" not in reason


@given(tokens=sizes, types=st.sampled_from([80, 10_000]))
def test_a_run_has_enough_steps_to_learn_and_a_longer_text_fewer_epochs(tokens: int, types: int) -> None:
    shorter, longer = (chosen({}, statistics(), length, types).training for length in (tokens, 10 * tokens))
    steps = max(1, tokens // (shorter.batch_size * shorter.bptt))
    assert shorter.epochs * steps >= 300
    assert longer.epochs <= shorter.epochs


@given(tokens=st.integers(50_000, 500_000))
def test_a_short_text_of_characters_gets_the_epochs_of_two_minutes(tokens: int) -> None:
    epochs = chosen({}, statistics(), tokens, types=80).training.epochs
    assert epochs == 30 or 2_500_000 < epochs * tokens <= 3_000_000


def test_choices_are_made_once_and_only_unset_settings_are_explained() -> None:
    choices = Choices({"layers": 2})
    choices.choose("because", layers=5, tied=True)
    choices.choose("on second thought", tied=False)
    assert choices.values == {"layers": 2, "tied": True}
    assert choices.reasons == ["tied true: because"]

"""Every setting is checked against its type and bounds, and a setting without effect is refused."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.config import (
    FIELDS,
    SECTIONS,
    TYPES,
    Config,
    ModelConfig,
    TextConfig,
    TrainingConfig,
    check_settings,
    checked,
)
from weft.errors import InputError

NUMBERS = [name for name, hint in TYPES.items() if hint in (int, float, int | None, float | None)]


def text_config(**settings: Any) -> TextConfig:
    return TextConfig(
        **{"data": "a.txt", "valid_fraction": 0.1, "test_fraction": 0, "tokenizer": "word"} | settings  # type: ignore[arg-type]
    )


def training_config(**settings: Any) -> TrainingConfig:
    required = {
        "batch_size": 2,
        "bptt": 3,
        "epochs": 1,
        "optimizer": "sgd",
        "lr": 1,
        "schedule": "constant",
        "kernels": "plain",
    }
    return TrainingConfig(**required | settings)  # type: ignore[arg-type]


def test_no_two_sections_share_a_name() -> None:
    assert len(FIELDS) == sum(len(fields(section)) for section in SECTIONS.values())


def test_every_setting_has_help() -> None:
    assert [name for name, item in FIELDS.items() if not item.metadata["help"]] == []


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        text_config().tokenizer = "char"  # type: ignore[misc]


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_is_accepted_at_an_inclusive_bound_and_refused_beyond(name: str) -> None:
    item = FIELDS[name]
    at_least, above, below = (item.metadata[bound] for bound in ("at_least", "above", "below"))
    assert at_least is not None or above is not None, "every number has a lower bound"
    if at_least is not None:
        assert checked(item, at_least) == at_least
        with pytest.raises(InputError, match=f"{name} must be at least {at_least:g}, got {at_least - 1}"):
            checked(item, at_least - 1)
    if above is not None:
        with pytest.raises(InputError, match=f"{name} must be above {above:g}"):
            checked(item, above)
    if below is not None:
        with pytest.raises(InputError, match=f"{name} must be below {below:g}"):
            checked(item, below)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [True, "1", [1], float("nan"), float("inf"), -float("inf"), 1j])
def test_values_that_are_not_finite_numbers_are_refused(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"{name} must be a (finite|whole) number, got"):
        checked(FIELDS[name], value)


def test_a_whole_number_too_large_for_a_float_is_refused() -> None:
    with pytest.raises(InputError, match="lr must be a finite number"):
        check_settings({"lr": 10**400})


def test_half_a_layer_is_refused() -> None:
    with pytest.raises(InputError, match=r"layers must be a whole number, got 1\.5"):
        check_settings({"layers": 1.5})


@pytest.mark.parametrize(("name", "value"), [("layers", np.int64(2)), ("lr", np.float32(0.5)), ("lr", 2)])
def test_numbers_of_numpy_become_plain_numbers(name: str, value: Any) -> None:
    stored = check_settings({name: value})[name]
    assert stored == value
    assert type(stored) is TYPES[name]


@pytest.mark.parametrize("value", [1, 0, "true", None])
def test_only_true_and_false_are_accepted_as_truth_values(value: Any) -> None:
    with pytest.raises(InputError, match="tied must be true or false"):
        check_settings({"tied": value})


def test_none_is_accepted_only_where_it_is_the_default() -> None:
    assert check_settings({"patience": None}) == {"patience": None}
    with pytest.raises(InputError, match="lr must be a finite number, got None"):
        check_settings({"lr": None})


@pytest.mark.parametrize(("name", "wrong", "right"), [("tokenizer", "words", "word"), ("optimizer", "adam", "adamw")])
def test_a_misspelt_choice_is_refused_with_the_most_similar_one(name: str, wrong: str, right: str) -> None:
    with pytest.raises(InputError, match=rf"{name} must be one of .*, got '{wrong}' \(did you mean \"{right}\"\?\)"):
        check_settings({name: wrong})


def test_a_misspelt_setting_is_refused_with_the_most_similar_one() -> None:
    with pytest.raises(InputError, match=r"unknown setting 'hiden_size' \(did you mean \"hidden_size\"\?\)"):
        check_settings({"hiden_size": 3})


def test_sources_may_be_one_or_many_names_or_paths() -> None:
    assert text_config(data="a").data == ("a",)
    assert text_config(data=Path("a/b")).data == (str(Path("a/b")),)
    assert text_config(data=["a", Path("b")]).data == ("a", "b")


@pytest.mark.parametrize("value", [5, None, ["a", 5], [["a"]], b"a", {"a"}])
def test_values_that_are_not_sources_are_refused(value: Any) -> None:
    with pytest.raises(InputError, match="data must be a name or path, or a list of them, got"):
        check_settings({"data": value})


def test_a_file_name_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(InputError, match=r"data 'caf\\udce9.txt' is not a name in UTF-8: rename the file"):
        check_settings({"data": "caf\udce9.txt"})


@pytest.mark.parametrize(
    "settings",
    [
        {"momentum": 0.5},
        {"momentum": 0.5, "optimizer": "adamw"},
        {"beta1": 0.8},
        {"beta2": 0.9, "optimizer": "momentum"},
        {"hold": 0.5},
        {"final_lr": 0.1, "schedule": "plateau"},
        {"warmup": 7},
        {"warmup": 7, "schedule": "plateau"},
    ],
)
def test_a_setting_without_effect_is_refused(settings: dict[str, Any]) -> None:
    (name, value), *_ = settings.items()
    with pytest.raises(InputError, match=f"{name} {value} has no effect with"):
        training_config(**settings)


def test_a_setting_is_accepted_with_the_choice_it_belongs_to() -> None:
    assert training_config(momentum=0.5, optimizer="momentum").momentum == 0.5
    assert training_config(beta2=0.9, optimizer="adamw").beta2 == 0.9
    assert training_config(warmup=7, hold=0.5, final_lr=0, schedule="cosine").hold == 0.5


def test_two_averages_of_the_weights_are_refused() -> None:
    with pytest.raises(InputError, match="ema and average_after both say which average"):
        training_config(ema=0.9, average_after=2)


@pytest.mark.parametrize("part", ["valid", "test"])
def test_a_part_cannot_be_a_text_and_a_share_at_once(part: str) -> None:
    both: dict[str, Any] = {"valid_fraction": 0, part: "v.txt", f"{part}_fraction": 0.2}
    with pytest.raises(InputError, match=f"{part} names a text and {part}_fraction holds one out as well"):
        text_config(**both)


@given(st.integers(), st.floats())
def test_accepted_values_have_the_type_of_their_field(whole: int, real: float) -> None:
    for name in NUMBERS:
        for value in (whole, real):
            try:
                stored = checked(FIELDS[name], value)
            except InputError:
                continue
            assert isinstance(stored, TYPES[name])
            assert stored == type(stored)(value)


def test_the_model_configuration_accepts_any_name_of_a_cell() -> None:
    # The names of cells are checked by weft.layers.
    assert ModelConfig(cell="my_cell", embedding_size=1, hidden_size=1).cell == "my_cell"


def test_a_weight_decay_that_changes_the_sign_of_weights_is_refused() -> None:
    training_config(lr=20.0, weight_decay=0.04)
    with pytest.raises(InputError, match=r"weight_decay 0\.1 at lr 20 leaves nothing of the weights"):
        training_config(lr=20.0, weight_decay=0.1)


def test_a_temporal_penalty_needs_blocks_of_several_steps() -> None:
    model = ModelConfig(cell="lstm", embedding_size=1, hidden_size=1, temporal_penalty=0.5)
    Config(text_config(), model, training_config(bptt=2))
    Config(text_config(), model, training_config(bptt=1, random_bptt=True))
    with pytest.raises(InputError, match=r"temporal_penalty 0\.5 has no effect with bptt 1"):
        Config(text_config(), model, training_config(bptt=1))

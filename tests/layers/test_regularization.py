"""Settings that would have no effect are refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from weft.errors import InputError
from weft.layers import LSTM, Regularization, Window
from weft.layers.stack import layer_sizes, residual_layers


@pytest.mark.parametrize(
    ("settings", "layers", "dropout", "shares"),
    [
        ({}, 2, 0.5, [0.5, 0.5, 0.5]),
        ({"dropout_in": 0.1}, 3, 0.5, [0.1, 0.5, 0.5, 0.5]),
        ({"dropout_between": 0.0, "dropout_out": 0.2}, 3, 0.5, [0.5, 0.0, 0.0, 0.2]),
        ({"dropout_in": 0.1, "dropout_out": 0.2}, 1, 0.0, [0.1, 0.2]),
    ],
)
def test_dropout_applies_wherever_no_ratio_is_given(
    settings: dict[str, Any], layers: int, dropout: float, shares: list[float]
) -> None:
    regularization = Regularization(**settings)
    regularization.check(LSTM, layers, dropout)
    assert regularization.dropouts(layers, dropout) == shares


@pytest.mark.parametrize(
    ("settings", "layers", "dropout", "message"),
    [
        ({"dropout_between": 0.2}, 1, 0.5, r"dropout_between 0\.2 has no effect with layers 1"),
        ({"dropout_in": 0.2, "dropout_out": 0.1}, 1, 0.5, r"dropout 0\.5 has no effect where every place"),
        ({"dropout_in": 0, "dropout_between": 0, "dropout_out": 0.1}, 2, 0.5, r"dropout 0\.5 has no effect"),
        ({"dropout_locked": True}, 2, 0.0, "dropout_locked has no effect without dropout"),
        ({"dropout_locked": True, "dropout_in": 0, "dropout_out": 0}, 1, None, "dropout_locked has no effect"),
    ],
)
def test_settings_without_effect_are_refused(
    settings: dict[str, Any], layers: int, dropout: float | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Regularization(**settings).check(LSTM, layers, dropout)


def test_dropout_that_is_not_chosen_yet_may_have_an_effect() -> None:
    Regularization(dropout_locked=True).check(LSTM, 2, None)
    Regularization(dropout_in=0.1, dropout_out=0.1).check(LSTM, 1, None)


def test_a_window_has_no_recurrent_weights_to_drop() -> None:
    with pytest.raises(InputError, match="weight_dropout drops recurrent weights, and the cell 'window' has none"):
        Regularization(weight_dropout=0.1).check(Window, 1, 0.0)


def test_other_settings_are_ignored() -> None:
    assert Regularization.among({"dropout_in": 0.1, "lr": 3, "dropout": 0.5}) == Regularization(dropout_in=0.1)


def test_the_last_layer_of_a_tied_model_has_the_size_of_the_embedding() -> None:
    assert layer_sizes(4, 11, 3, tied=True) == [11, 11, 4]
    assert layer_sizes(4, 11, 3, tied=False) == [11, 11, 11]
    assert layer_sizes(4, 4, 1, tied=True) == [4]
    with pytest.raises(InputError, match="tied weights need embedding_size = hidden_size, got 4 and 11; with two lay"):
        layer_sizes(4, 11, 1, tied=True)


def test_residual_connections_are_around_layers_of_the_size_of_the_one_below() -> None:
    assert residual_layers([3, 3, 5]) == [False, True, False]
    for sizes in ([3], [3, 5]):
        with pytest.raises(InputError, match=f"residual has no effect .* layers of {', '.join(map(str, sizes))}:"):
            residual_layers(sizes)

"""Token ids: lists and arrays of every integer type are taken, everything else is refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from helpers.untrained import untrained
from weft.adaptation import AdaptingModel, Cache, DynamicSGD
from weft.backends import default_backend, ids_of_text, token_ids
from weft.backends.fused import fused, why_not_fused
from weft.errors import InputError
from weft.evaluation.evaluate import evaluate_tokens, token_nats
from weft.inference.frozen_model import StreamingModel
from weft.layers import Embedding, SoftmaxWithLoss, TimeEmbedding, TimeOutputWithLoss
from weft.model import RNNLM, Steps

V = 7
INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
WRONG: dict[str, Any] = {
    "float": [1.0, 2.5],
    "float32 array": np.array([1, 2], "f"),
    "truth values": [True, False],
    "an array of truth values": np.array([True, False]),
    "strings": ["a", "b"],
    "None": [None, 1],
    "complex": np.array([1j, 2]),
    "negative": [-1, 2],
    "too large": [2, V],
    "beyond int64": np.array([2, 2**64 - 1], np.uint64),
    "lists of several lengths": [[1], [1, 2]],
    "another shape": [[[1, 2]]],
}
KERNELS = ["plain"] if why_not_fused() else ["plain", "fused"]


def small_model(cell: str = "gru", **options: Any) -> RNNLM:
    return RNNLM(V, 3, 4, 2, cell, seed=0, **options)


def steppers(model: RNNLM) -> dict[str, Steps]:
    """Everything that has the method `step`."""
    return {
        "model": model,
        **{f"frozen on {kernels}": StreamingModel(model, kernels=kernels) for kernels in KERNELS},
        "adapting": AdaptingModel(model, DynamicSGD(), Cache()),
    }


ENTRIES: dict[str, Callable[[Any], Any]] = {
    "step": lambda ids: small_model().step(ids, small_model().zero_state(2)),
    "frozen step": lambda ids: StreamingModel(small_model()).step(ids, small_model().zero_state(2)),
    "hidden_states": lambda ids: small_model().hidden_states([ids], small_model().zero_state(1)),
    "log_probabilities": lambda ids: small_model().log_probabilities([[1, 2]], [ids], small_model().zero_state(1)),
    "loss of inputs": lambda ids: small_model().loss([ids], np.array([[1, 2]])),
    "loss of targets": lambda ids: small_model().loss(np.array([[1, 2]]), [ids]),
    "forward": lambda ids: small_model().forward([ids]),
    "Embedding": lambda ids: Embedding(np.ones((V, 3))).forward(ids),
    "TimeEmbedding": lambda ids: TimeEmbedding(np.ones((V, 3))).forward([ids]),
    "SoftmaxWithLoss": lambda ids: SoftmaxWithLoss().forward(np.ones((2, V)), ids),
    "TimeOutputWithLoss": lambda ids: TimeOutputWithLoss(np.ones((3, V)), np.ones(V)).forward(
        np.ones((1, 2, 3)), [ids]
    ),
    "evaluate_tokens": lambda ids: evaluate_tokens(small_model(), ids, 0),
    "evaluate_tokens in streams": lambda ids: evaluate_tokens(small_model(), ids, 0, streams=2),
    "token_nats": lambda ids: list(token_nats(small_model(), [(ids, np.zeros(2, bool))], 0)),
    "evaluate_chunks": lambda ids: untrained().evaluate_chunks([(_beyond(ids), np.zeros(2, bool))]),
    "ids_of_text": lambda ids: ids_of_text(ids, V),
}
IGNORED_TARGETS = ("log_probabilities", "loss of targets", "SoftmaxWithLoss", "TimeOutputWithLoss")
"""Entries in which -1 marks a target that is not counted."""


def _beyond(ids: Any) -> Any:
    """The ids, with V + 50 in place of V: the vocabulary of `untrained` is larger than V."""
    return [2, V + 50] if ids is WRONG["too large"] else ids


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_no_token_id_is_refused_everywhere(entry: str, wrong: str) -> None:
    if wrong == "negative" and entry in IGNORED_TARGETS:
        return
    with pytest.raises(InputError) as error:
        ENTRIES[entry](WRONG[wrong])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("entry", ENTRIES)
def test_lists_and_arrays_of_every_integer_type_are_taken_everywhere(entry: str) -> None:
    ENTRIES[entry]([2, 1])
    for dtype in INTEGERS:
        ENTRIES[entry](np.array([2, 1], dtype))


def test_every_model_steps_on_the_same_kinds_of_ids() -> None:
    for name, model in steppers(small_model()).items():
        expected, _state = model.step(np.array([3]), model.zero_state(1))
        for ids in ([3], (3,), *(np.array([3], dtype) for dtype in INTEGERS)):
            scores, _state = model.step(ids, model.zero_state(1))
            np.testing.assert_array_equal(scores, expected, err_msg=name)
        for wrong in ([3.0], [True], [-1], [V], [[3]], 3, "3"):
            with pytest.raises(InputError):
                model.step(wrong, model.zero_state(1))


@pytest.mark.parametrize("kernels", KERNELS)
def test_no_streams_have_no_scores(kernels: str) -> None:
    model = small_model("lstm")
    for steps in (model, StreamingModel(model, "int8", kernels=kernels)):
        nothing: list[Any] = [np.zeros(0, int), np.zeros(0), []]
        for ids in nothing:
            scores, state = steps.step(ids, steps.zero_state(0))
            assert scores.shape == (0, V)
            assert [[part.shape for part in layer] for layer in state] == [[(0, 4), (0, 4)]] * 2


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "window", "layer_norm_lstm"])
@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("shape", [(0, 5), (3, 0), (0, 0)])
def test_blocks_without_tokens_have_no_numbers_and_keep_the_state(
    cell: str, kernels: str, shape: tuple[int, int]
) -> None:
    model = small_model(cell)
    empty, N = np.zeros(shape, int), shape[0]
    _scores, state = model.step(np.arange(N), model.zero_state(N))

    def check() -> None:
        hs, after = model.hidden_states(empty, state)
        assert hs.shape == (*shape, 4)
        np.testing.assert_array_equal(after[0][0], state[0][0])
        assert model.log_probabilities(empty, empty, state)[0].shape == shape
        with pytest.raises(InputError, match="a block has at least one stream and one step"):
            model.loss(empty, empty)

    if kernels == "fused":
        with fused(1):
            check()
    else:
        check()


def test_states_of_other_shapes_are_refused_by_every_model() -> None:
    for name, model in steppers(small_model()).items():
        if name == "adapting":
            continue
        for state in (model.zero_state(2), model.zero_state(1)[:1], (), 5, [[1, 2]]):
            with pytest.raises(InputError):
                model.step([1], state)  # type: ignore[arg-type]
        with pytest.raises(InputError, match="streams must be at least 0, got -1"):
            model.zero_state(-1)


def test_ids_in_the_backends_own_type_are_not_copied() -> None:
    ids = np.arange(3)
    assert token_ids(default_backend, ids) is ids
    assert ids_of_text(ids, 3) is ids

"""Copies of models and states by pickle and copy, in other processes and threads, give the same numbers to the bit."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from helpers.untrained import untrained
from weft.adaptation import AdaptingModel, Cache, DynamicSGD
from weft.backends import backend_of, default_backend
from weft.backends.fused import fused, why_not_fused
from weft.errors import InputError
from weft.inference.frozen_model import StreamingModel
from weft.language_model import LanguageModel
from weft.layers import OutputSettings, TimeLSTM, time_layers
from weft.layers.sparse_gradient import dense
from weft.model import RNNLM

TEXT = "you say goodbye and i say hello ."
COPIES: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "oldest pickle": lambda value: pickle.loads(pickle.dumps(value, protocol=2)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}
VARIANTS: dict[str, Callable[[LanguageModel], LanguageModel]] = {
    "trained": lambda lm: lm,
    "float32": lambda lm: lm.frozen(),
    "int8": lambda lm: lm.frozen("int8"),
    "adapting": lambda lm: lm.adapting(DynamicSGD(), Cache()),
    "frozen with a cache": lambda lm: lm.frozen("bfloat16").adapting(cache=Cache()),
}
every_copy = pytest.mark.parametrize("copied", COPIES)
every_variant = pytest.mark.parametrize("variant", VARIANTS)
no_kernels = pytest.mark.skipif(why_not_fused() is not None, reason=f"no fused kernels: {why_not_fused()}")


def numbers(lm: LanguageModel) -> tuple[float, float, str]:
    """The same text scored as a whole and step by step, and sampled."""
    return lm.logprob(TEXT), lm.start().push(TEXT).logprob_nats, lm.generate("you", 5, seed=1)


def numbers_on_kernels(lm: LanguageModel) -> tuple[float, float, str]:
    with fused(2):
        return numbers(lm)


@every_copy
@every_variant
@pytest.mark.parametrize("kind", ["word", "char", "bpe"])
def test_a_copied_language_model_gives_the_same_numbers(copied: str, variant: str, kind: str) -> None:
    lm = VARIANTS[variant](untrained(kind))
    expected = numbers(lm)
    assert numbers(COPIES[copied](lm)) == expected == numbers(lm)


@every_copy
@every_variant
def test_a_copied_text_state_continues_alike(copied: str, variant: str) -> None:
    state = VARIANTS[variant](untrained()).start().push("you say")
    other = COPIES[copied](state)
    assert other.logprob_nats == state.logprob_nats
    assert other.surprisals == state.surprisals
    assert other.push("hello").logprob_nats == state.push("hello").logprob_nats
    assert other.next(5) == state.next(5)
    hidden = COPIES[copied](state.state)
    assert all(np.array_equal(a, b) for a, b in zip(sum(hidden, ()), sum(state.state, ()), strict=True))


@pytest.mark.parametrize("copied", ["pickle", "deepcopy"])
@pytest.mark.parametrize("cell", sorted(time_layers()))
@pytest.mark.parametrize(("tied", "output"), [(False, "full"), (True, "full"), (True, "sampled"), (False, "adaptive")])
def test_a_copied_model_trains_on_as_the_original_without_changing_it(
    copied: str, cell: str, tied: bool, output: str
) -> None:
    settings = OutputSettings(output=output, samples=5, cutoffs=(4,) if output == "adaptive" else ())
    model = RNNLM(12, 8, 8, 2, cell, 0.2, tied, output=settings, seed=0)
    blocks = np.random.default_rng(0).integers(0, 12, (6, 2, 5))

    def trained(model: RNNLM, blocks: Any) -> list[float]:
        losses = []
        for xs in blocks:
            losses.append(model.loss(xs[:, :-1], xs[:, 1:]).nats)
            model.backward()
            for parameter, gradient in zip(model.params, model.grads, strict=True):
                parameter -= 0.1 * dense(gradient)
        return losses

    trained(model, blocks[:3])
    other = COPIES[copied](model)
    before = [parameter.copy() for parameter in model.params]
    theirs = trained(other, blocks[3:])
    assert all(np.array_equal(a, b) for a, b in zip(before, model.params, strict=True))
    assert trained(model, blocks[3:]) == theirs
    if tied:
        assert np.shares_memory(other.output.params[0], other.embedding.params[0])


@no_kernels
@pytest.mark.parametrize("copied", ["pickle", "deepcopy"])
def test_a_model_trained_on_the_kernels_can_be_copied(copied: str) -> None:
    model = RNNLM(12, 16, 16, 2, "lstm", seed=0)
    xs = np.random.default_rng(0).integers(0, 12, (2, 5))
    with fused(2):
        for _ in range(4):  # the pass of a repeated shape is captured
            model.loss(xs, xs)
            model.backward()
        other = COPIES[copied](model)
        with pytest.raises(InputError, match="needs a forward before it"):
            other.backward()
        assert other.loss(xs, xs) == model.loss(xs, xs)
        other.backward()
        model.backward()
    for a, b in zip(model.params, other.params, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_copied_layer_keeps_parameters_and_state() -> None:
    rng = np.random.default_rng(0)
    layer = TimeLSTM(rng.normal(size=(3, 16)), rng.normal(size=(4, 16)), np.zeros(16), stateful=True)
    xs = rng.normal(size=(2, 5, 3))
    layer.forward(xs)
    other = copy.deepcopy(layer)
    np.testing.assert_array_equal(other.forward(xs), layer.forward(xs))
    assert backend_of(other.params[0]) is default_backend is other.backend


@no_kernels
@pytest.mark.parametrize("method", sorted(multiprocessing.get_all_start_methods()))
def test_pools_of_processes_score_as_their_parent_that_used_the_kernels(method: str) -> None:
    context = multiprocessing.get_context(method)
    for variant in ("trained", "int8"):
        lm = VARIANTS[variant](untrained())
        expected = numbers_on_kernels(lm)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 and later: fork of a process with threads
            with context.Pool(2) as pool:
                assert pool.map_async(numbers_on_kernels, [lm] * 3).get(timeout=300) == [expected] * 3
            with ProcessPoolExecutor(1, mp_context=context) as executor:
                assert executor.submit(numbers_on_kernels, lm).result(timeout=300) == expected


@every_variant
def test_threads_score_at_once_as_one_after_the_other(variant: str) -> None:
    lm = VARIANTS[variant](untrained())
    texts = [" ".join(TEXT.split()[n:]) for n in range(8)]
    expected = [lm.logprob(text) for text in texts], [lm.start().push(text).logprob_nats for text in texts]
    with ThreadPoolExecutor(8) as executor:
        for _ in range(3):
            assert list(executor.map(lm.logprob, texts)) == expected[0]
            assert list(executor.map(lambda text: lm.start().push(text).logprob_nats, texts)) == expected[1]


def test_every_object_says_what_it_is_in_one_line() -> None:
    lm = untrained()
    frozen, adapting = lm.frozen("int8"), lm.adapting(DynamicSGD(), Cache())
    lstm = RNNLM(1200, 8, 16, 3, "lstm", tied=True, output=OutputSettings(output="sampled"))
    expected = [
        (lm, ["gru, 2 layers of 6", "embedding of 5", "vocabulary of 12", "word", "594 parameters", "float32"]),
        (frozen, ["frozen int8 weights"]),
        (adapting, ["adapting"]),
        (lstm, ["RNNLM(lstm, 3 layers of 16 and 8", "vocabulary of 1,200, tied, sampled output"]),
        (frozen.steps, ["StreamingModel(gru", "int8 weights"]),
        (adapting.steps, ["AdaptingModel(gru", "dynamic=DynamicSGD(", "cache=Cache("]),
        (adapting.start().push("you").state, ["AdaptingState("]),
        (lm.model.recurrent[0], ["TimeGRU(Wx (5, 18), Wh (6, 18), b (18,))"]),
        (lm.model.recurrent[0].cell, ["GRU(Wx (5, 18)"]),
        (lm.model.output, ["TimeOutputWithLoss(W (6, 12), b (12,))"]),
        (lm.model.embedding, ["TimeRowEmbedding(W (12, 5))"]),
        (lm.model.embedding.grads[0], ["RowGradient(0 rows of (12, 5))"]),
        (lm.model.stack, ["Stack(TimeGRU("]),
        (lm.start().push("you say"), ["TextState(ln P = -", "after 'you' 'say'"]),
    ]
    for value, parts in expected:
        shown = repr(value)
        assert "\n" not in shown
        assert len(shown) < 250
        assert " object at 0x" not in shown
        for part in parts:
            assert part in shown


def test_no_public_class_of_the_models_has_the_default_repr() -> None:
    for kind in (LanguageModel, RNNLM, StreamingModel, AdaptingModel, *time_layers().values()):
        assert "__repr__" in {name for base in kind.__mro__[:-1] for name in vars(base)}

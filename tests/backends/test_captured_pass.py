"""A captured pass equals the layers bit for bit, and is used only where every block needs the same operations."""

from __future__ import annotations

import copy
import gc
import threading
import weakref
from typing import Any

import numpy as np
import pytest

from weft.backends import random_generator
from weft.backends.captured_pass import CapturedPasses
from weft.backends.fused import fused, why_not_fused
from weft.errors import InputError
from weft.layers import OutputSettings, Regularization
from weft.layers.sparse_gradient import dense
from weft.model import RNNLM
from weft.training.optimizer import SGD

pytestmark = pytest.mark.skipif(why_not_fused() is not None, reason=f"no fused kernels: {why_not_fused()}")

V, N, T = 30, 5, 8


def blocks(count: int, vocabulary: int = V, streams: int = N, steps: int = T) -> list[tuple[Any, Any]]:
    rng = random_generator(0)
    return [tuple(rng.integers(0, vocabulary, (2, streams, steps))) for _ in range(count)]


def without_capture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CapturedPasses, "_pass", lambda *_arguments: None)


def trained(model: RNNLM, given: list[tuple[Any, Any]], threads: int = 2) -> list[Any]:
    """The losses, states, gradients and parameters of a few training steps."""
    found: list[Any] = []
    optimizer = SGD(model.named_parameters())
    with fused(threads):
        for xs, ts in given:
            found.append(np.float64(model.loss(xs, ts).nats))
            found += [array.copy() for state in model.state or () for array in state]
            found.append(model.output.nats.copy())
            model.backward()
            found += [np.array(dense(gradient)) for gradient in model.grads]
            found += [layer.dh.copy() for layer in model.recurrent]
            optimizer.update(model.named_gradients(), 0.5)
    return [*found, *(array.copy() for array in model.params)]


def assert_same(ours: list[Any], expected: list[Any]) -> None:
    for one, other in zip(ours, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture
def always_parallel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several threads run every kernel, however short it is."""
    from weft.backends.kernels.output import fused_output
    from weft.backends.kernels.recurrent import block as recurrent_block
    from weft.backends.kernels.update import fused_update

    for module in (recurrent_block, fused_output):
        monkeypatch.setattr(module, "SHARED_WORK", 0)
    monkeypatch.setattr(fused_update, "SHARED_SIZE", 0)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(("tied", "vocabulary"), [(False, V), (True, V), (False, 9), (True, 9)])
def test_a_captured_pass_equals_the_layers(
    cell: str, threads: int, tied: bool, vocabulary: int, always_parallel: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def model() -> RNNLM:
        return RNNLM(vocabulary, 12, 12, 2, cell, tied=tied, seed=1)

    given = blocks(4, vocabulary, steps=T if vocabulary == V else 50)
    ours = model()
    captured = trained(ours, given, threads)
    assert ours._captured.current is not None
    without_capture(monkeypatch)
    assert_same(captured, trained(model(), given, threads))


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("vocabulary", [9, V])
def test_a_captured_pass_equals_the_layers_if_threads_share_hidden_units(
    cell: str, vocabulary: int, always_parallel: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from weft.backends.kernels.recurrent import block as recurrent_block

    monkeypatch.setattr(recurrent_block, "ALONE_WEIGHTS", 0)
    given = blocks(4, vocabulary, streams=1, steps=T if vocabulary == V else 50)
    ours = RNNLM(vocabulary, 70, 70, 2, cell, seed=1)
    captured = trained(ours, given)
    assert ours._captured.current is not None
    without_capture(monkeypatch)
    assert_same(captured, trained(RNNLM(vocabulary, 70, 70, 2, cell, seed=1), given))


def test_a_pass_is_captured_when_a_shape_occurs_twice_in_a_row() -> None:
    model = RNNLM(V, 12, 12, seed=1)
    was_captured = []
    with fused(1):
        for steps in (8, 8, 7, 8, 8):
            model.loss(*blocks(1, steps=steps)[0])
            was_captured.append(model._captured.current is not None)
            model.backward()
    assert was_captured == [False, True, False, False, True]


@pytest.mark.parametrize(
    "make",
    [
        lambda: RNNLM(V, 12, 12, dropout=0.5, seed=1),
        lambda: RNNLM(V, 12, 12, regularization=Regularization(embedding_dropout=0.1), seed=1),
        lambda: RNNLM(V, 12, 12, regularization=Regularization(weight_dropout=0.1), seed=1),
        lambda: RNNLM(V, 12, 12, regularization=Regularization(activation_penalty=1.0), seed=1),
        lambda: RNNLM(V, 12, 12, 2, residual=True, seed=1),
        lambda: RNNLM(V, 12, 12, layer_norm=True, seed=1),
        lambda: RNNLM(V, 12, 12, cell="window", seed=1),
        lambda: RNNLM(V, 12, 12, output=OutputSettings(output="sampled", samples=8), seed=1),
        lambda: RNNLM(V, 12, 12, output=OutputSettings(output="adaptive", cutoffs=(9,)), seed=1),
        lambda: RNNLM(V, 12, 12, dtype="float64", seed=1),
    ],
)
def test_a_pass_that_differs_between_blocks_is_not_captured(make: Any) -> None:
    model = make()
    with fused(1):
        for xs, ts in blocks(3):
            model.loss(xs, ts)
            assert model._captured.current is None
            model.backward()


def test_the_plain_loop_is_not_captured() -> None:
    model = RNNLM(V, 12, 12, seed=1)
    for xs, ts in blocks(3):
        model.loss(xs, ts)
        assert model._captured.current is None


def test_blocks_with_ignored_targets_are_processed_by_the_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    given = blocks(5)
    given[2][1][1, 3] = given[4][1][0, 0] = -1
    captured = trained(RNNLM(V, 12, 12, seed=1), given)
    without_capture(monkeypatch)
    assert_same(captured, trained(RNNLM(V, 12, 12, seed=1), given))


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("id", [-2, V])
def test_ids_outside_the_vocabulary_are_refused(which: int, id: int) -> None:
    model, given = RNNLM(V, 12, 12, seed=1), blocks(3)
    given[2][which][2, 2] = id
    with fused(1):
        for xs, ts in given[:2]:
            model.loss(xs, ts)
        with pytest.raises(InputError, match=str(id)):
            model.loss(*given[2])


def test_ids_of_any_integer_type_and_memory_order_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    given = [(np.asfortranarray(xs.astype(np.int32)), ts.astype(np.uint16)) for xs, ts in blocks(3)]
    captured = trained(RNNLM(V, 12, 12, seed=1), given)
    without_capture(monkeypatch)
    assert_same(captured, trained(RNNLM(V, 12, 12, seed=1), blocks(3)))


def test_backward_needs_a_loss_before_it() -> None:
    model = RNNLM(V, 12, 12, seed=1)
    with fused(1):
        for xs, ts in blocks(2):
            model.loss(xs, ts)
        model.backward()
        with pytest.raises(InputError, match="needs a loss before it"):
            model.backward()


def test_a_state_of_other_streams_is_refused() -> None:
    model, (block,) = RNNLM(V, 12, 12, seed=1), blocks(1)
    with fused(1):
        for _ in range(2):
            model.loss(*block)
        model.set_state(model.zero_state(N + 1))
        with pytest.raises(InputError, match="call reset_state"):
            model.loss(*block)


def test_a_returned_state_is_not_overwritten() -> None:
    model = RNNLM(V, 12, 12, seed=1)
    states = []
    with fused(1):
        for xs, ts in blocks(4):
            model.loss(xs, ts)
            states.append((model.state, copy.deepcopy(model.state)))
    for returned, copied in states:
        np.testing.assert_array_equal(returned, copied)


def test_a_pass_is_captured_again_for_other_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    def losses() -> list[float]:
        model = RNNLM(V, 12, 12, seed=1)
        with fused(1):
            found = [model.loss(*block).nats for block in blocks(3)]
            model.set_parameters([2 * array for array in model.params])
            return found + [model.loss(*block).nats for block in blocks(3)]

    captured = losses()
    without_capture(monkeypatch)
    assert captured == losses()


def test_every_thread_and_set_of_kernels_has_captured_passes_of_its_own() -> None:
    model = RNNLM(V, 12, 12, seed=1)

    def read(threads: int) -> None:
        with fused(threads):
            for xs, ts in blocks(2):
                model.loss(xs, ts)

    read(1)
    read(2)
    assert len(model._captured._passes) == 2
    other = threading.Thread(target=read, args=(1,))
    other.start()
    other.join()
    assert len(model._captured._passes) == 3


def test_backward_after_a_forward_by_hand_uses_the_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    def gradients() -> list[Any]:
        model, given = RNNLM(V, 12, 12, seed=1), blocks(3)
        with fused(1):
            for xs, ts in given[:2]:
                model.loss(xs, ts)
            model.output.forward(model.forward(given[2][0]), given[2][1])
            model.backward()
        return [dense(gradient) for gradient in model.grads]

    captured = gradients()
    without_capture(monkeypatch)
    assert_same(captured, gradients())


def test_a_model_is_freed_without_garbage_collection() -> None:
    model = RNNLM(V, 12, 12, seed=1)
    trained(model, blocks(3))
    reference = weakref.ref(model)
    gc.disable()
    try:
        del model
        assert reference() is None
    finally:
        gc.enable()


def test_passes_beyond_the_memory_limit_replace_others(monkeypatch: pytest.MonkeyPatch) -> None:
    from weft.backends import captured_pass

    def model() -> RNNLM:
        return RNNLM(V, 12, 12, seed=1)

    given = [block for steps in (8, 6, 8) for block in blocks(3, steps=steps)]
    monkeypatch.setattr(captured_pass, "MAX_BYTES", model().saved_bytes(N, 8))
    ours = model()
    captured = trained(ours, given)
    assert len(ours._captured._passes) == 1
    without_capture(monkeypatch)
    assert_same(captured, trained(model(), given))


def test_missing_workers_change_no_bit(always_parallel: None) -> None:
    from weft.backends.kernels.threads.thread_pool import thread_pool

    with_workers = trained(RNNLM(V, 12, 12, seed=1), blocks(4))
    with thread_pool(2)._lock:  # the workers are in use elsewhere
        without_workers = trained(RNNLM(V, 12, 12, seed=1), blocks(4))
    assert_same(without_workers, with_workers)


def test_a_failed_thread_is_reported() -> None:
    from helpers.parallel_cases import failing
    from weft.backends.kernels.threads.capture import CapturingRunner

    capture = CapturingRunner(2)
    with pytest.raises(MemoryError, match="failing"):
        capture.run(failing, 2, False, np.zeros(2))
    capture._calls = [(failing, 2, False, (np.zeros(2),))]
    with pytest.raises(MemoryError, match="the captured kernels"):
        capture.captured().replay()

"""The streaming kernels give the results of `RNNLM.step` on the same weights, for any batch and number of threads."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.paths import ROOT
from weft.backends import random_generator
from weft.backends.fused import why_not_fused
from weft.backends.quantization import WEIGHTS
from weft.inference.frozen_model import StreamingModel, join_states, split_state
from weft.model import RNNLM, ModelState

pytestmark = pytest.mark.skipif(why_not_fused() is not None, reason=f"no kernels: {why_not_fused()}")
every_format = pytest.mark.parametrize("weights", WEIGHTS)
every_cell = pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "rnn-relu"])
ROUNDING: Any = {"rtol": 1e-4, "atol": 2e-5}
BYTE_ROUNDING: Any = {"rtol": 1e-3, "atol": 3e-4}
"""int8 weights are multiplied with hidden states of 16 bits."""


def model(cell: str = "lstm", V: int = 70, D: int = 24, H: int = 37, layers: int = 2, tied: bool = False) -> RNNLM:
    """Random weights whose magnitude varies between columns, and nonzero biases."""
    model = RNNLM(V, H if tied else D, H, layers, cell, tied=tied, seed=0)
    rng = random_generator(1)
    for name, parameter in model.named_parameters().items():
        parameter[...] = rng.normal(size=parameter.shape) * rng.uniform(0.1, 1, parameter.shape[-1:])
        if parameter.ndim == 2 and name != "embedding.W":
            parameter /= parameter.shape[0] ** 0.5
    return model


def random_state(model: RNNLM, N: int) -> ModelState:
    rng = random_generator(2)
    return tuple(tuple(rng.normal(size=p.shape).astype("f") for p in layer) for layer in model.zero_state(N))


def flat(scores: Any, state: ModelState) -> list[Any]:
    return [scores, *(part for layer in state for part in layer)]


@every_format
@every_cell
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("N", [1, 2, 3, 7, 12, 33])
def test_steps_equal_those_of_the_rounded_model(weights: str, cell: str, tied: bool, N: int) -> None:
    streaming = StreamingModel(model(cell, tied=tied), weights, kernels="fused", threads=2)
    state = expected_state = random_state(streaming.model, N)
    for _ in range(4):
        ids = random_generator(3).integers(0, 70, N)
        scores, state = streaming.step(ids, state)
        expected, expected_state = streaming.model.step(ids, expected_state)
        rounding = BYTE_ROUNDING if weights == "int8" else ROUNDING
        for ours, theirs in zip(flat(scores, state), flat(expected, expected_state), strict=True):
            assert ours.dtype == np.float32
            np.testing.assert_allclose(ours, theirs, **rounding)


@every_format
@pytest.mark.parametrize("sizes", [(1, 1, 1, 1), (300, 5, 16, 3), (1000, 130, 64, 1), (33, 17, 200, 2)], ids=str)
def test_any_sizes(weights: str, sizes: tuple[int, int, int, int]) -> None:
    V, D, H, layers = sizes
    streaming = StreamingModel(model("lstm", V, D, H, layers), weights, kernels="fused", threads=3)
    ids, state = np.arange(5) % V, random_state(streaming.model, 5)
    rounding = BYTE_ROUNDING if weights == "int8" else ROUNDING
    for ours, theirs in zip(flat(*streaming.step(ids, state)), flat(*streaming.model.step(ids, state)), strict=True):
        np.testing.assert_allclose(ours, theirs, **rounding)


@every_format
@every_cell
def test_a_stream_has_the_same_bits_alone_and_in_a_batch_and_on_any_number_of_threads(weights: str, cell: str) -> None:
    models = [StreamingModel(model(cell, H=80), weights, kernels="fused", threads=threads) for threads in (1, 2, 3)]
    ids, state = np.arange(23), random_state(models[0].model, 23)
    batch = flat(*models[0].step(ids, state))
    for other in models[1:]:
        for ours, theirs in zip(flat(*other.step(ids, state)), batch, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    for n, alone in enumerate(split_state(state)):
        for ours, theirs in zip(flat(*models[n % 3].step(ids[n : n + 1], alone)), batch, strict=True):
            np.testing.assert_array_equal(ours[0], theirs[n])


@every_format
def test_several_threads_may_step_one_model_at_once(weights: str) -> None:
    streaming = StreamingModel(model("gru", V=500, H=100), weights, kernels="fused", threads=2)
    state = random_state(streaming.model, 1)
    expected = [flat(*streaming.step(np.array([n]), state)) for n in range(4)]
    wrong: list[int] = []

    def work(n: int) -> None:
        for _ in range(50):
            found = flat(*streaming.step(np.array([n]), state))
            if not all(np.array_equal(ours, theirs) for ours, theirs in zip(found, expected[n], strict=True)):
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_int8_takes_large_states_and_columns_of_zeros() -> None:
    lm = model()
    lm.params[1][:, 3] = 0
    streaming = StreamingModel(lm, "int8", kernels="fused")
    state = tuple(tuple(1000 * part for part in layer) for layer in random_state(lm, 2))
    zero = lm.zero_state(2)
    for before in (state, join_states([split_state(state)[0], split_state(zero)[0]])):
        ours, theirs = streaming.step(np.array([1, 2]), before), streaming.model.step(np.array([1, 2]), before)
        np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("D", [500, 520, 3000])
@pytest.mark.parametrize("sign", [1, -1])
def test_sums_of_many_large_integers_do_not_overflow(D: int, sign: int) -> None:
    lm = RNNLM(5, D, 4, 1, "rnn", seed=0)
    parameters = lm.named_parameters()
    parameters["embedding.W"][...] = 1
    next(array for array in parameters.values() if array.shape == (D, 4))[...] = sign / D
    streaming = StreamingModel(lm, "int8", kernels="fused")
    ours, theirs = (reader.step(np.array([1]), lm.zero_state(1))[1] for reader in (streaming, streaming.model))
    np.testing.assert_allclose(flat(0, ours)[1], flat(0, theirs)[1], rtol=1e-3)
    np.testing.assert_allclose(abs(flat(0, ours)[1]), np.tanh(1), rtol=1e-2)


def test_narrower_vectors_give_the_same_results(tmp_path: Path) -> None:
    from weft.backends.kernels.jit.cpu_features import usable_instructions

    for name in usable_instructions()[1:][-1:]:  # the narrowest set has no integer dot products either
        environment = {**os.environ, "WEFT_SIMD": name, "NUMBA_CACHE_DIR": str(tmp_path / name)}
        tests = f"{__file__}::test_steps_equal_those_of_the_rounded_model"
        run = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tests],
            env=environment,
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
        assert run.returncode == 0, run.stdout


@pytest.mark.parametrize(("work", "alone_later"), [(0, False), (1 << 40, True)])
def test_only_a_short_step_runs_alone_after_a_worker_was_lost(
    monkeypatch: pytest.MonkeyPatch, work: int, alone_later: bool
) -> None:
    """work: multiply-adds from which on a step is not short."""
    from weft.backends.kernels.streaming import engine as streaming_engine
    from weft.backends.kernels.streaming.step import WORKER_LOST
    from weft.backends.kernels.threads.thread_pool import ThreadPool

    def lose_a_worker(control: Any, job: Any, *others: Any) -> bool:
        job[WORKER_LOST] = 1
        return True

    pool = ThreadPool(2)
    monkeypatch.setattr(streaming_engine, "thread_pool", lambda count: pool)
    monkeypatch.setattr(streaming_engine, "SHORT_WORK", work)
    monkeypatch.setattr(streaming_engine, "run_step", lose_a_worker)
    streaming = StreamingModel(model(), kernels="fused", threads=2)
    streaming.step([1], streaming.zero_state(1))
    acquired = pool.acquire()
    if acquired:
        pool.release(lost=False)
    assert acquired is not alone_later

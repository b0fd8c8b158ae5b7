"""The fused kernels equal the plain loop within rounding, for any sizes and any number of threads."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.paths import ROOT
from weft.backends import random_generator
from weft.backends.fused import fused, why_not_fused
from weft.errors import InputError
from weft.layers import TimeOutputWithLoss, TimeRecurrent, time_layer
from weft.layers.sparse_gradient import RowGradient, dense
from weft.model import RNNLM
from weft.training.optimizer import SGD, AdamW, Momentum
from weft.training.running_mean import move_towards

Floats = Any
ROUNDING: Any = {"rtol": 1e-4, "atol": 3e-6}
pytestmark = pytest.mark.skipif(why_not_fused() is not None, reason=f"no fused kernels: {why_not_fused()}")
every_fused_cell = pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "rnn-relu"])
SIZES = [(1, 1, 1, 1), (3, 2, 5, 7), (11, 4, 33, 16), (13, 3, 8, 40), (2, 6, 70, 33)]


def normal(*shape: int, seed: int = 0) -> Floats:
    return random_generator(seed).normal(size=shape)


def block(layer_type: type[TimeRecurrent], sizes: tuple[int, int, int, int], dtype: str) -> dict[str, Floats]:
    """All results of a forward and a backward pass of a block, from nonzero states and upstream gradients."""
    N, T, D, H = sizes
    G, names = layer_type.cell_type.gates, layer_type.cell_type.state_names
    Wx, Wh, b = normal(D, G * H) / D**0.5, normal(H, G * H) / H**0.5, normal(G * H) / 4
    layer = layer_type(Wx.astype(dtype), Wh.astype(dtype), b.astype(dtype), stateful=True)
    layer.set_state(*(normal(N, H, seed=2 + i).astype(dtype) for i in range(len(names))))
    hs = layer.forward(normal(N, T, D).astype(dtype))
    last = {name: getattr(layer, name) for name in names}
    dlast = (normal(N, H, seed=5 + i).astype(dtype) for i in range(len(names)))
    dxs = layer.backward(normal(N, T, H, seed=1).astype(dtype), *dlast)
    first = {f"d{name}": getattr(layer, f"d{name}") for name in names}
    grads = dict(zip(("dWx", "dWh", "db"), layer.grads, strict=True))
    return {"hs": hs, "dxs": dxs, **last, **first, **grads}


@every_fused_cell
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("packed", ["once", "in every chunk"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_a_parallel_block_equals_the_plain_loop(
    cell: str, threads: int, packed: str, sizes: tuple[int, int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with fused(threads):
        from weft.backends.kernels.recurrent import block as recurrent_block
        from weft.backends.kernels.recurrent import workspace as block_workspace

        monkeypatch.setattr(recurrent_block, "SHARED_WORK", 0)
        monkeypatch.setattr(block_workspace, "SMALL_WEIGHTS", 0 if packed == "once" else 1 << 40)
        block_workspace.block_workspace.cache_clear()
        ours = block(time_layer(cell), sizes, "float32")
        block_workspace.block_workspace.cache_clear()
    assert_close(ours, block(time_layer(cell), sizes, "float64"))


@every_fused_cell
@pytest.mark.parametrize("threads", [2, 3, 7])
@pytest.mark.parametrize("sizes", [(1, 1, 1, 1), (1, 9, 5, 90), (2, 4, 70, 33), (2, 6, 33, 64)], ids=str)
def test_a_block_divided_by_hidden_units_equals_the_plain_loop(
    cell: str, threads: int, sizes: tuple[int, int, int, int], divided_by_units: None
) -> None:
    with fused(threads):
        ours = block(time_layer(cell), sizes, "float32")
    assert_close(ours, block(time_layer(cell), sizes, "float64"))


def test_missing_workers_change_no_bit_of_a_block_divided_by_hidden_units(divided_by_units: None) -> None:
    from weft.backends.kernels.threads.thread_pool import thread_pool

    with fused(3):
        with_workers = block(time_layer("gru"), (2, 6, 33, 100), "float32")
        with thread_pool(3)._lock:  # the workers are in use elsewhere
            without_workers = block(time_layer("gru"), (2, 6, 33, 100), "float32")
    for name, expected in with_workers.items():
        np.testing.assert_array_equal(without_workers[name], expected)


@pytest.fixture
def divided_by_units(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks with fewer streams than threads are divided by hidden units, however small they are."""
    from weft.backends.kernels.recurrent import block as recurrent_block

    monkeypatch.setattr(recurrent_block, "SHARED_WORK", 0)
    monkeypatch.setattr(recurrent_block, "ALONE_WEIGHTS", 0)


def assert_close(ours: dict[str, Floats], exact: dict[str, Floats]) -> None:
    for name, expected in exact.items():
        assert ours[name].dtype == np.float32
        np.testing.assert_allclose(ours[name], expected, err_msg=name, **ROUNDING)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("kept_bytes", [0, 2**30])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize(("rows", "H", "V"), [(1, 1, 1), (5, 3, 7), (12, 40, 128), (7, 33, 1300), (70, 6, 37)])
def test_the_fused_output_layer_equals_the_plain_one(
    threads: int, kept_bytes: int, tied: bool, rows: int, H: int, V: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    W = normal(V, H).T if tied else normal(H, V)
    b, hs, ts = normal(V), normal(1, rows, H, seed=1), random_generator(2).integers(-1, V, (1, rows))
    ts[0, 0] = V - 1
    plain = TimeOutputWithLoss(W, b)
    plain.forward(hs, ts)
    W32 = W.T.astype("f").T if tied else W.astype("f")
    layer = TimeOutputWithLoss(W32, b.astype("f"))
    for grad in layer.grads:
        grad += 99
    with fused(threads):
        from weft.backends.kernels.output import fused_output

        monkeypatch.setattr(fused_output, "KEPT_BYTES", kept_bytes)
        monkeypatch.setattr(fused_output, "SHARED_WORK", 0)
        layer.forward(hs.astype("f"), ts)
        logs = layer.log_probabilities(hs.astype("f"), ts)
    assert layer.loss.tokens == plain.loss.tokens
    assert layer.loss.nats == pytest.approx(plain.loss.nats, rel=1e-5)
    np.testing.assert_allclose(layer.backward(), plain.backward(), **ROUNDING)
    for ours, expected in zip(layer.grads, plain.grads, strict=True):
        np.testing.assert_allclose(ours, expected, **ROUNDING)
    np.testing.assert_allclose(logs, plain.log_probabilities(hs, ts), **ROUNDING)


@pytest.mark.parametrize(
    "make",
    [SGD, Momentum, lambda p: AdamW(p, weight_decay=0.1), lambda p: SGD(p, weight_decay=0.5)],
    ids=["sgd", "momentum", "adamw", "sgd with weight decay"],
)
def test_updates_equal_the_plain_ones(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    for kernels in (False, True):
        w = {"W": normal(30, 20).astype("f"), "b": normal(7).astype("f")}
        optimizer = make(w)
        for step in range(3):
            gradients = {name: normal(*array.shape, seed=step).astype("f") for name, array in w.items()}
            if not kernels:
                optimizer.update(gradients, 0.01, 0.3)
                continue
            with fused(2):
                from weft.backends.kernels.update import fused_update

                monkeypatch.setattr(fused_update, "SHARED_SIZE", 1)
                optimizer.update(gradients, 0.01, 0.3)
        results.append(w)
    for name in ("W", "b"):
        np.testing.assert_allclose(results[1][name], results[0][name], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("rows", [[], [0], [2, 3, 17, 29], list(range(30))], ids=str)
def test_adamw_with_row_gradients_equals_the_plain_one(rows: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    for kernels in (False, True):
        w = {"W": normal(30, 20).astype("f"), "b": normal(7).astype("f")}
        optimizer = AdamW(w, weight_decay=0.1)
        for step in range(3):
            row_gradient = RowGradient((30, 20), np.array(rows, np.int64), normal(len(rows), 20, seed=step).astype("f"))
            gradients = {"W": row_gradient, "b": normal(7, seed=step).astype("f")}
            with fused(2) if kernels else contextlib.nullcontext():
                if kernels:
                    from weft.backends.kernels.update import fused_update

                    monkeypatch.setattr(fused_update, "SHARED_SIZE", 1)
                optimizer.update(gradients, 0.01, 0.3)
        results.append({**w, **optimizer.state()})
    for name, expected in results[0].items():
        np.testing.assert_allclose(results[1][name], expected, rtol=1e-5, atol=1e-7, err_msg=name)


def test_running_means_equal_the_plain_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    values = [normal(30, 20).astype("f"), normal(7).astype("f"), normal(5, 4).astype("f").T]
    results = []
    for kernels in (False, True):
        means = [value[::-1].copy("K") for value in values]
        if kernels:
            with fused(2):
                from weft.backends.kernels.update import fused_update

                monkeypatch.setattr(fused_update, "SHARED_SIZE", 1)
                move_towards(means, values, 0.3)
        else:
            move_towards(means, values, 0.3)
        results.append(means)
    for ours, plain, value in zip(results[1], results[0], values, strict=True):
        np.testing.assert_allclose(plain, 0.7 * value[::-1] + 0.3 * value, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(ours, plain, rtol=1e-6, atol=1e-7)


@every_fused_cell
def test_a_model_has_the_same_loss_and_gradients(cell: str) -> None:
    xs, ts = random_generator(0).integers(0, 300, (2, 4, 6))
    results = []
    for dtype in ("float64", "float32"):
        model = RNNLM(300, 12, 12, 2, cell, dropout=0.2, tied=True, seed=1, dtype=dtype)
        with fused(2):
            losses = [model.loss(xs, ts).nats for _ in range(2)]
            model.backward()
        results.append((losses, model.grads))
    assert results[1][0] == pytest.approx(results[0][0], rel=1e-5)
    for ours, expected in zip(results[1][1], results[0][1], strict=True):
        np.testing.assert_allclose(dense(ours), dense(expected), **ROUNDING)


def test_a_second_backward_pass_is_refused() -> None:
    layer = time_layer("lstm")(normal(2, 12).astype("f"), normal(3, 12).astype("f"), normal(12).astype("f"))
    with fused(1):
        hs = layer.forward(normal(2, 4, 2).astype("f"))
        layer.backward(hs)
        with pytest.raises(InputError, match="call forward before backward"):
            layer.backward(hs)


def test_the_same_number_of_threads_gives_the_same_bits() -> None:
    xs, ts = random_generator(0).integers(0, 2000, (2, 8, 20))
    runs = []
    for _ in range(2):
        model = RNNLM(2000, 64, 64, seed=1)
        with fused(2):
            model.loss(xs, ts)
            model.backward()
        runs.append(model.grads)
    for ours, again in zip(*runs, strict=True):
        np.testing.assert_array_equal(dense(ours), dense(again))


def test_kernels_read_parameters_changed_in_place() -> None:
    model = RNNLM(50, 8, 8, seed=1)
    ids = np.zeros((2, 3), dtype=int)
    with fused(1):
        before = model.loss(ids, ids).nats
        for parameter in model.params:
            parameter *= 2
        model.reset_state()
        assert model.loss(ids, ids).nats != before


def test_a_nan_parameter_gives_a_nan_loss() -> None:
    model = RNNLM(300, 8, 8, seed=1)
    model.named_parameters()["recurrent.0.Wh"][0, 0] = np.nan
    ids = np.zeros((2, 3), dtype=int)
    with fused(1):
        assert np.isnan(model.loss(ids, ids).nats)


def test_less_capable_instruction_sets_give_the_same_results(tmp_path: Path) -> None:
    from weft.backends.kernels.jit.cpu_features import usable_instructions

    equivalent = ("vnni", "avx512")  # the same to these kernels as the more capable AVX-512 sets
    for name in (name for name in usable_instructions()[1:] if name not in equivalent):
        environment = {**os.environ, "WEFT_SIMD": name, "NUMBA_CACHE_DIR": str(tmp_path / name)}
        # One cell only: all kernels of the test are compiled again, which takes time.
        tests = [f"{__file__}::test_a_model_has_the_same_loss_and_gradients[lstm]"]
        if name == "avx512bf16":
            gemm, models = (Path(__file__).parent / f"matmul/test_{name}.py" for name in ("gemm", "bfloat16"))
            tests = [f"{gemm}::test_bfloat16_products_are_products_of_rounded_values"]
            tests.append(f"{models}::test_a_model_in_bfloat16_differs_by_rounding[lstm-False-8-False]")
        run = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
            env=environment,
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
        assert run.returncode == 0, run.stdout

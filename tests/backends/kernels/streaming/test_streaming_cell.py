"""A cell becomes a streaming cell by one registration."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from weft.backends import random_generator
from weft.backends.fused import why_not_fused

pytestmark = pytest.mark.skipif(why_not_fused() is not None, reason=f"no kernels: {why_not_fused()}")

NAME = "two phases, three parts"
GATES, PARTS = 3, 3


@pytest.fixture
def cell() -> Iterator[Any]:
    """A cell with three parts of state and two phases, the second of which multiplies W_h with a scratch vector.

    s = a_0 + h_{t-1}, then h_t = a_1 - a_2 with W_h s, c_t = c_{t-1} + s, m_t = m_{t-1} / 2.
    """
    from weft.backends.kernels.streaming import cell as streaming_cell

    def first(a: Any, state: Any, scratch: Any) -> Any:
        return np.float32(0), a[0] + state[0]

    def second(a: Any, state: Any, scratch: Any) -> Any:
        return a[0] - a[1], state[1] + scratch[1], np.float32(0.5) * state[2]

    phases = (streaming_cell.CellPhase((0,), first), streaming_cell.CellPhase((1, 2), second, recurrent=1))
    yield streaming_cell.register(streaming_cell.StreamingCell(NAME, PARTS, phases, scratch=2))
    del streaming_cell._cells[NAME]


def expected_step(embedding: Any, layers: Any, output: Any, bias: Any, ids: Any, state: Any) -> tuple[Any, Any]:
    """The same step in NumPy."""
    x, after = embedding[ids], []
    for number, (Wx, Wh, b) in enumerate(layers):
        h, c, m = state[PARTS * number : PARTS * (number + 1)]
        H = len(Wh)
        s = x @ Wx[:, :H] + h @ Wh[:, :H] + b[:H] + h
        a = x @ Wx[:, H:] + s @ Wh[:, H:] + b[H:]
        x = a[:, :H] - a[:, H:]
        after += [x, c + s, m / 2]
    return x @ output + bias, after


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("N", [1, 5])
def test_a_new_cell_is_one_registration(cell: Any, N: int, threads: int) -> None:
    from weft.backends.kernels.cells import streaming_cell
    from weft.backends.kernels.streaming.engine import StreamingEngine

    V, D, H = 60, 20, 37
    rng = random_generator(0)

    def normal(*shape: int) -> Any:
        return (rng.normal(size=shape) / shape[0] ** 0.5).astype(np.float32)

    embedding, output, bias = normal(V, D), normal(H, V), normal(V)
    layers = [(normal(inputs, GATES * H), normal(H, GATES * H), normal(GATES * H)) for inputs in (D, H)]
    state, ids = normal(2 * PARTS, N, H), np.arange(N)
    registered = streaming_cell(NAME)
    assert registered is not None
    engine = StreamingEngine("float32", registered, embedding, layers, output, bias, threads)
    scores, after = engine.step(ids, state)
    expected, expected_state = expected_step(embedding, layers, output, bias, ids, state)
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(after, expected_state, rtol=1e-4, atol=1e-5)


def test_an_unregistered_cell_has_no_streaming_kernel() -> None:
    from weft.backends.kernels.cells import streaming_cell

    assert streaming_cell("unheard of") is None
    assert {name for name in ("rnn", "lstm", "gru") if streaming_cell(name) is not None} == {"rnn", "lstm", "gru"}


def test_another_process_loads_the_compiled_update_from_disk(tmp_path: Path) -> None:
    program = """
from weft.backends.kernels.streaming.cell import compiled_update
from weft.backends.kernels.cells import streaming_cell
cell = streaming_cell("gru")
print([compiled_update(cell, phase).cache_hits for phase in cell.phases])
"""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    hits = [
        subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert [run.stdout.strip() for run in hits] == ["[0, 0]", "[1, 1]"]


def test_an_update_that_returns_the_wrong_number_of_values_is_refused() -> None:
    from numba.core.errors import TypingError

    from weft.backends.kernels.streaming.cell import CellPhase, StreamingCell, compiled_update

    phase = CellPhase((0,), lambda a, state, scratch: (a[0],))
    with pytest.raises(TypingError, match="an update has to return a tuple of 2 float32"):
        compiled_update(StreamingCell("two parts", 2, (phase,)), phase)

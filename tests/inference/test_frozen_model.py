"""StreamingModel: frozen, pure, with clear errors; on the fused kernels and on the plain steps."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from helpers.untrained import untrained
from weft.backends.fused import why_not_fused
from weft.backends.quantization import WEIGHTS
from weft.errors import InputError
from weft.inference import frozen_model
from weft.inference.frozen_model import StreamingModel, join_states, split_state
from weft.layers import time_layers
from weft.model import RNNLM

WITHOUT = why_not_fused()
every_kernels = pytest.mark.parametrize(
    "kernels",
    ["plain", pytest.param("fused", marks=pytest.mark.skipif(WITHOUT is not None, reason=f"no kernels: {WITHOUT}"))],
)


def lstm(cell: str = "lstm") -> RNNLM:
    return RNNLM(50, 8, 8, 2, cell, seed=1)


@every_kernels
@pytest.mark.parametrize("weights", WEIGHTS)
def test_it_is_frozen(kernels: str, weights: str) -> None:
    model = lstm()
    streaming, state = StreamingModel(model, weights, kernels=kernels), model.zero_state(1)
    before, _ = streaming.step(np.array([3]), state)
    for parameter in model.params:
        parameter *= 2
    after, _ = streaming.step(np.array([3]), state)
    np.testing.assert_array_equal(before, after)
    assert not np.allclose(model.step(np.array([3]), state)[0], before)


@every_kernels
def test_states_are_values(kernels: str) -> None:
    streaming = StreamingModel(lstm(), "int8", kernels=kernels)
    zero = streaming.zero_state(2)
    scores, state = streaming.step(np.array([1, 2]), zero)
    kept = scores.copy(), [[part.copy() for part in layer] for layer in state]
    again, _ = streaming.step(np.array([3, 4]), state)
    once_more, _ = streaming.step(np.array([3, 4]), state)
    np.testing.assert_array_equal(again, once_more)
    np.testing.assert_array_equal(scores, kept[0])
    for layer, kept_layer in zip(state, kept[1], strict=True):
        for part, kept_part in zip(layer, kept_layer, strict=True):
            np.testing.assert_array_equal(part, kept_part)
    assert all(not part.any() for layer in zero for part in layer)
    state[0][0][...] = 0  # the parts of a state share no memory
    np.testing.assert_array_equal(state[0][1], kept[1][0][1])


@every_kernels
def test_states_may_be_read_only_and_in_fortran_order(kernels: str) -> None:
    streaming = StreamingModel(lstm(), kernels=kernels)
    _, state = streaming.step(np.array([1, 2, 3]), streaming.zero_state(3))
    strange = tuple(tuple(np.asfortranarray(part) for part in layer) for layer in state)
    for layer in strange:
        for part in layer:
            part.setflags(write=False)
    expected = streaming.step(np.array([1, 2, 3]), state)[0]
    np.testing.assert_allclose(streaming.step(np.array([1, 2, 3]), strange)[0], expected, rtol=1e-5, atol=1e-6)


@every_kernels
def test_joined_streams_continue_as_each_does_alone(kernels: str) -> None:
    streaming = StreamingModel(lstm("gru"), "bfloat16", kernels=kernels)
    states = [streaming.step(np.array([n]), streaming.zero_state(1))[1] for n in range(5)]
    scores, state = streaming.step(np.arange(5) + 7, join_states(states))
    for n, (before, after) in enumerate(zip(states, split_state(state), strict=True)):
        alone, state_alone = streaming.step(np.array([n + 7]), before)
        np.testing.assert_allclose(scores[n], alone[0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(after[0][0], state_alone[0][0], rtol=1e-5, atol=1e-6)
    with pytest.raises(InputError, match="no state"):
        join_states([])


@every_kernels
def test_ids_outside_the_vocabulary_are_refused(kernels: str) -> None:
    streaming = StreamingModel(lstm(), kernels=kernels)
    for id in (-1, 50):
        with pytest.raises(InputError, match=rf"token ids must lie in \[0, 50\), got {id}"):
            streaming.step(np.array([id]), streaming.zero_state(1))


@every_kernels
def test_states_of_other_shapes_are_refused(kernels: str) -> None:
    streaming = StreamingModel(lstm(), kernels=kernels)
    with pytest.raises(InputError, match=r"a step of 2 streams needs states of shapes \(2, 8\), .* got \(1, 8\)"):
        streaming.step(np.array([1, 2]), streaming.zero_state(1))
    with pytest.raises(InputError, match=r"ids must have shape \(N,\)"):
        streaming.step(np.array([[1, 2]]), streaming.zero_state(2))


@pytest.mark.parametrize("cell", sorted(time_layers()))
def test_every_cell_can_be_streamed(cell: str) -> None:
    model = lstm(cell)
    streaming = StreamingModel(model, "float32")
    expected, _ = model.step(np.array([1, 2]), model.zero_state(2))
    scores, _ = streaming.step(np.array([1, 2]), streaming.zero_state(2))
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)


def test_where_the_kernels_cannot_run_auto_is_plain_and_fused_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frozen_model, "why_not_fused", lambda: "numba is away")
    with pytest.raises(InputError, match="cannot be used: numba is away"):
        StreamingModel(lstm(), kernels="fused")
    streaming = StreamingModel(lstm(), "int8")
    expected, _ = streaming.model.step(np.array([1]), streaming.zero_state(1))
    np.testing.assert_array_equal(streaming.step(np.array([1]), streaming.zero_state(1))[0], expected)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(InputError, match="threads must be at least 1, got 0"):
        StreamingModel(lstm(), threads=0)
    with pytest.raises(InputError, match="kernels must be one of auto, fused, plain, got 'fussed'"):
        StreamingModel(lstm(), kernels="fussed")
    with pytest.raises(InputError, match="only a float32 model"):
        StreamingModel(RNNLM(3, 2, 2, dtype="float64"))


@pytest.mark.parametrize("weights", WEIGHTS)
def test_a_frozen_language_model_scores_and_steps_on_the_same_weights(weights: str) -> None:
    lm = untrained().frozen(weights)
    text = "you say goodbye and i say hello ."
    stepped = lm.start().push(text).logprob_nats
    assert stepped == pytest.approx(lm.logprob(text, eos=False), abs=1e-2 if weights == "int8" else 1e-3)
    assert lm.start().push("you say") == lm.start().push("you say")
    assert lm.next("you say", 1) == lm.start().push("you say").next(1)


@pytest.mark.parametrize("name", ["recurrent.0.b", "output.W"])
def test_a_model_that_is_not_finite_is_refused(name: str) -> None:
    model = lstm()
    model.named_parameters()[name][...] = np.nan
    with pytest.raises(InputError, match=f"{name} is not finite"):
        StreamingModel(model, "int8")


def test_rounding_changes_log_probabilities_a_little() -> None:
    lm = untrained()
    text = "you say goodbye and i say hello ."
    differences = [abs(lm.frozen(weights).logprob(text) - lm.logprob(text)) for weights in WEIGHTS]
    assert differences[0] == 0
    assert all(0 < difference < 2 for difference in differences[1:])


@pytest.mark.skipif(WITHOUT is not None or not hasattr(os, "fork"), reason="no kernels, or no fork")
def test_a_forked_process_can_step() -> None:
    program = """
import os, numpy as np
from weft.model import RNNLM
from weft.inference.frozen_model import StreamingModel
model = StreamingModel(RNNLM(2000, 64, 64, seed=0), kernels="fused", threads=2)
ids, state = np.array([1]), model.zero_state(1)
expected = model.step(ids, state)[0]
child = os.fork()
same = all(np.array_equal(model.step(ids, state)[0], expected) for _ in range(100))
if child == 0:
    os._exit(0 if same else 1)
assert same and os.waitpid(child, 0)[1] == 0
"""
    environment = {
        **os.environ,
        "PYTHONWARNINGS": "ignore",
        "PYTHONPATH": str(Path(frozen_model.__file__).parents[2]),
    }
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=300)
    assert run.returncode == 0, run.stderr


def test_a_plain_model_starts_no_threads() -> None:
    before = threading.active_count()
    streaming = StreamingModel(lstm(), kernels="plain", threads=4)
    streaming.step(np.array([1]), streaming.zero_state(1))
    assert threading.active_count() == before


@pytest.mark.skipif(WITHOUT is not None, reason=f"no kernels: {WITHOUT}")
def test_freezing_announces_a_compilation_and_no_later_step_compiles(tmp_path: Path) -> None:
    program = """
import logging, sys
sys.path.insert(0, sys.argv[1])
from helpers.untrained import untrained
logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s")
from numba.core import event
lm = untrained().frozen("int8")
with event.install_listener("numba:compile", event.RecordingListener()) as recorded:
    lm.start().push("you say").next(3)
assert not recorded.buffer
"""
    environment = {
        **os.environ,
        "NUMBA_CACHE_DIR": str(tmp_path),
        "PYTHONPATH": str(Path(frozen_model.__file__).parents[2]),
    }
    tests = str(Path(__file__).parents[1])
    errors = []
    for _ in range(2):
        run = subprocess.run(
            [sys.executable, "-c", program, tests], capture_output=True, text=True, env=environment, timeout=300
        )
        assert run.returncode == 0, run.stderr
        errors.append(run.stderr)
    assert errors == ["weft compiling the fused kernels; they are kept for the next time\n", ""]

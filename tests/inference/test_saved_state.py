"""A saved state continues as the state itself; damaged files and states of other models are refused."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

import weft
from helpers.command_line import SIZES, write_text
from weft.adaptation import Cache
from weft.errors import CheckpointError, InputError, MissingFileError, WeftError
from weft.language_model import LanguageModel


@pytest.fixture(scope="module")
def lm(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    folder = tmp_path_factory.mktemp("trained")
    weft.train(
        write_text(folder / "my.txt"), out=folder / "run", cell="lstm", layers=2, max_steps=5, tokenizer="word", **SIZES
    )
    return weft.load(folder / "run")


def test_a_loaded_state_continues_with_the_same_bits(lm: LanguageModel, tmp_path: Path) -> None:
    state = lm.start().push("the cat sat")
    state.save(tmp_path / "state")
    for loaded in (lm.load_state(tmp_path / "state"), weft.load_state(tmp_path / "state", lm)):
        assert loaded == state
        assert (loaded.logprob_nats, loaded.surprisals) == (state.logprob_nats, state.surprisals)
        assert loaded.push("on a mat").surprisals == state.push("on a mat").surprisals


def test_the_model_is_loaded_from_its_run_folder(lm: LanguageModel, tmp_path: Path) -> None:
    lm.start().push("the cat").save(tmp_path / "state")
    loaded = weft.load_state(tmp_path / "state")
    assert loaded.push("sat").logprob_nats == lm.start().push("the cat").push("sat").logprob_nats
    LanguageModel(lm.model, lm.tokenizer, lm.config).start().save(tmp_path / "state")
    with pytest.raises(InputError, match="a model without a run folder: give the model"):
        weft.load_state(tmp_path / "state")


@pytest.mark.parametrize("weights", ["float32", "int8"])
def test_a_frozen_model_saves_and_continues_states(lm: LanguageModel, tmp_path: Path, weights: str) -> None:
    frozen = lm.frozen(weights, kernels="plain")
    state = frozen.start().push("the dog")
    state.save(tmp_path / "state")
    assert frozen.load_state(tmp_path / "state").push("ran").logprob_nats == state.push("ran").logprob_nats
    if weights == "int8":
        with pytest.raises(InputError, match="the state of another model"):
            lm.load_state(tmp_path / "state")


def test_the_state_of_another_model_is_refused(lm: LanguageModel, tmp_path: Path) -> None:
    lm.start().save(tmp_path / "state")
    other = weft.load(str(lm.run))
    other.model.params[0][0, 0] += 1
    with pytest.raises(InputError, match="the state of another model"):
        other.load_state(tmp_path / "state")


def test_a_state_that_adapts_cannot_be_saved(lm: LanguageModel, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="adapts cannot be saved"):
        lm.adapting(cache=Cache(10)).start().save(tmp_path / "state")


def test_the_safetensors_library_reads_the_arrays(lm: LanguageModel, tmp_path: Path) -> None:
    state = lm.start().push("a mat")
    state.save(tmp_path / "state")
    with safe_open(tmp_path / "state", "numpy") as file:
        assert set(file.keys()) == {"scores", *(f"state.{layer}.{part}" for layer in (0, 1) for part in (0, 1))}
        np.testing.assert_array_equal(file.get_tensor("state.1.0"), state.state[1][0])


def test_every_damaged_file_is_refused_in_one_line(lm: LanguageModel, tmp_path: Path) -> None:
    lm.start().push("the cat").save(tmp_path / "state")
    data, draw = (tmp_path / "state").read_bytes(), random.Random(1)
    for _ in range(200):
        changed = bytearray(data)
        changed[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        (tmp_path / "state").write_bytes(changed[: draw.choice([len(data), draw.randrange(len(data))])])
        with pytest.raises(WeftError) as refused:
            lm.load_state(tmp_path / "state")
        assert isinstance(refused.value, CheckpointError | InputError)
        assert "\n" not in str(refused.value)
    with pytest.raises(MissingFileError, match="no saved state"):
        lm.load_state(tmp_path / "gone")
    with pytest.raises(InputError, match="cannot write the state"):
        lm.start().save(tmp_path / "gone" / "state")

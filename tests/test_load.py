"""Loading a run: shapes are compared before memory is allocated, and no random number is drawn."""

from __future__ import annotations

import re
import shutil
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import weft
from weft.errors import CheckpointError

SETTINGS: dict[str, Any] = {
    "tokenizer": "word",
    "embedding_size": 8,
    "hidden_size": 8,
    "layers": 2,
    "epochs": 1,
    "kernels": "plain",
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "a.txt").write_text("you say goodbye and i say hello .\n" * 60, "utf-8")
    weft.train(str(folder / "a.txt"), out=folder / "run", batch_size=2, bptt=10, **SETTINGS)
    return folder / "run"


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy of the run that a test may damage."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


def set_in_config(run: Path, name: str, value: int) -> None:
    path = run / "config.toml"
    text, count = re.subn(rf"^{name} = .*$", f"{name} = {value}", path.read_text("utf-8"), flags=re.MULTILINE)
    assert count == 1
    path.write_text(text, "utf-8")


@pytest.mark.parametrize(("name", "value"), [("hidden_size", 8000), ("embedding_size", 2_000_000), ("layers", 3)])
def test_sizes_that_the_weights_do_not_have_are_refused_at_once_and_without_memory(
    run: Path, name: str, value: int
) -> None:
    set_in_config(run, name, value)
    tracemalloc.start()
    began = time.monotonic()
    try:
        with pytest.raises(CheckpointError, match=r"model\.safetensors"):
            weft.load(run)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert time.monotonic() - began < 5
    assert peak < 20_000_000


def test_a_loaded_model_has_the_weights_of_the_file_and_drew_no_random_numbers(trained: Path) -> None:
    model = weft.load(trained).model
    stored = load_file(trained / "model.safetensors")
    assert model.named_parameters().keys() == stored.keys()
    for name, parameter in model.named_parameters().items():
        np.testing.assert_array_equal(parameter, stored[name])
        assert parameter.flags.writeable
    assert model.rng.bit_generator.state == np.random.default_rng(0).bit_generator.state


@pytest.mark.parametrize("settings", [{"tied": True}, {"cell": "window"}, {"output": "adaptive", "cutoffs": (2, 5)}])
def test_runs_of_every_kind_are_loaded_as_they_were_trained(tmp_path: Path, settings: dict[str, Any]) -> None:
    (tmp_path / "a.txt").write_text("you say goodbye and i say hello .\n" * 60, "utf-8")
    lm = weft.train(str(tmp_path / "a.txt"), out=tmp_path / "run", batch_size=2, bptt=10, **SETTINGS, **settings)
    loaded = weft.load(tmp_path / "run")
    assert loaded.logprob("you say hello") == lm.logprob("you say hello")
    loaded.model.loss(np.array([[1, 2]]), np.array([[2, 3]]))
    loaded.model.backward()
    if "tied" in settings:
        assert np.shares_memory(loaded.model.output.params[0], loaded.model.embedding.params[0])

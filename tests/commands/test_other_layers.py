"""An output layer that is registered outside weft is a choice of the command line, as weft's own are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.command_line import FLAGS, RunWeft
from weft.layers import TimeOutputWithLoss, register_output
from weft.layers.output.registry import registered


@pytest.fixture
def mine() -> Iterator[type[TimeOutputWithLoss]]:
    @register_output
    class Mine(TimeOutputWithLoss):
        kind = "mine"

    yield Mine
    del registered["mine"]


def test_a_registered_output_layer_is_trained_resumed_and_evaluated(
    run_weft: RunWeft, text: Path, mine: type[TimeOutputWithLoss]
) -> None:
    answer = run_weft("train", text, *FLAGS, "--output", "mine", "--epochs", 1, "--out", "run")
    assert answer.code == 0, answer.err
    assert run_weft("train", "--resume", "--out", "run", "--epochs", 2).code == 0
    assert run_weft("eval", text, "--run", "run").code == 0
    assert "output\tmine\n" in run_weft("info", "run").out


def test_a_kind_that_is_not_registered_is_an_error_before_the_text_is_read(run_weft: RunWeft, text: Path) -> None:
    refusal = run_weft("train", text, *FLAGS, "--output", "sampeld").refusal()
    assert refusal == ("output must be one of full, adaptive, sampled, got 'sampeld' (did you mean \"sampled\"?)")
    assert not Path("runs").exists()


def test_a_run_whose_output_layer_is_not_registered_names_the_known_ones(run_weft: RunWeft, trained: Path) -> None:
    config = trained / "config.toml"
    config.write_text(config.read_text("utf-8").replace('output = "full"', 'output = "mine"'), encoding="utf-8")
    assert "output must be one of full, adaptive, sampled, got 'mine'" in run_weft("eval", "--run", trained).refusal()

"""`weft export`: the files of a run in other formats."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.command_line import FLAGS, RunWeft, names, write_text

HF_FILES = [
    "config.json", "generation_config.json", "model.safetensors", "modeling_weft.py", "tokenizer.json",
    "tokenizer_config.json",
]  # fmt: skip


@pytest.fixture
def run(run_weft: RunWeft) -> str:
    write_text(Path("my.txt"), lines=40)
    assert run_weft("train", "my.txt", *FLAGS, "--epochs=1", "--kernels=plain").code == 0
    return "runs/my"


def test_export_hf_writes_a_folder_and_says_how_to_load_it(run_weft: RunWeft, run: str) -> None:
    answer = run_weft("export", "hf", run, "my-hf")
    assert answer.code == 0, answer.err
    assert answer.out == ""
    assert "AutoModelForCausalLM.from_pretrained('my-hf', trust_remote_code=True)" in answer.err
    assert names(Path("my-hf")) == HF_FILES
    assert "replace it with --overwrite" in run_weft("export", "hf", run, "my-hf").refusal()
    assert run_weft("export", "hf", run, "my-hf", "--overwrite").code == 0


def test_export_hf_writes_no_folder_into_the_run(run_weft: RunWeft, run: str) -> None:
    assert (
        run_weft("export", "hf", run, run).refusal()
        == f"{run} exists and is not an export of weft; give another folder"
    )


def test_export_onnx_writes_a_file(run_weft: RunWeft, run: str) -> None:
    pytest.importorskip("onnx")
    answer = run_weft("export", "onnx", run, "my.onnx", "--form", "step", "--log-probabilities")
    assert answer.code == 0, answer.err
    assert Path("my.onnx").stat().st_size > 1000
    assert "replace it with --overwrite" in run_weft("export", "onnx", run, "my.onnx").refusal()


@pytest.mark.parametrize("format", ["hf", "onnx"])
def test_without_a_run_there_is_one_line_and_no_file(run_weft: RunWeft, format: str) -> None:
    assert run_weft("export", format, "runs/none", "out").refusal().startswith("no run folder at runs/none")
    assert not Path("out").exists()

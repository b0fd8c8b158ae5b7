"""TOML files: settings are read back unchanged, and errors name the file and the reason."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.config import SECTIONS, Config, ModelConfig, TextConfig, TrainingConfig
from weft.config.toml import FORMAT, config_of, read_config, read_settings, write_config
from weft.errors import CheckpointError, InputError, MissingFileError

CONFIG = Config(
    TextConfig(data=("a.txt",), valid_fraction=0.1, test_fraction=0.0, tokenizer="word"),
    ModelConfig(cell="lstm", embedding_size=3, hidden_size=4),
    TrainingConfig(batch_size=2, bptt=5, epochs=1, optimizer="sgd", lr=0.1, schedule="constant", kernels="plain"),
)
AWKWARD = [
    'say "hello"',
    "it's",
    "back\\slash\\",
    "C:\\new\\table",
    "line\nbreak\r\n",
    "tab\t bell\x07 escape\x1b null\x00 delete\x7f next-line\x85 separator\u2028",
    "你说再见",
    "🧵👩‍👩‍👧",
    "\ufeffmark",
    "# no comment",
    "[text]",
    "'''\"\"\"",
    " ",
    "",
]


def settings_in(config: Config) -> dict[str, Any]:
    return {**vars(config.text), **vars(config.model), **vars(config.training)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def with_sources(*sources: str) -> Config:
    return replace(CONFIG, text=replace(CONFIG.text, data=sources))


@pytest.mark.parametrize("source", AWKWARD)
def test_any_string_is_read_back(file: Path, source: str) -> None:
    config = with_sources(source, "another", source)
    write_config(file, config)
    assert read_config(file) == config


@given(st.lists(st.text(), min_size=1), st.floats(min_value=0, exclude_min=True, allow_infinity=False), st.integers(0))
def test_any_configuration_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, sources: list[str], lr: float, seed: int
) -> None:
    file = tmp_path_factory.getbasetemp() / "any.toml"
    config = replace(with_sources(*sources), training=replace(CONFIG.training, lr=lr, seed=seed))
    write_config(file, config)
    assert read_config(file) == config


def test_set_and_unset_limits_are_read_back(file: Path) -> None:
    for limit in (None, 7):
        training = replace(CONFIG.training, max_steps=limit, patience=limit)
        config = replace(CONFIG, training=training)
        write_config(file, config)
        assert read_config(file) == config


@pytest.mark.parametrize("tied", [True, False])
def test_truth_values_are_read_back(file: Path, tied: bool) -> None:
    config = replace(CONFIG, model=replace(CONFIG.model, tied=tied))
    write_config(file, config)
    assert read_config(file) == config


def test_every_setting_is_in_the_file_of_a_run(file: Path) -> None:
    write_config(file, CONFIG)
    text = file.read_text(encoding="utf-8")
    for section, kind in SECTIONS.items():
        assert f"[{section}]" in text
        for item in fields(kind):
            assert f"{item.name} = " in text or f"# {item.name}: " in text


def test_the_file_of_a_run_can_be_given_as_settings(file: Path) -> None:
    write_config(file, CONFIG)
    settings_read = read_settings(file)
    assert config_of(settings_read) == CONFIG
    assert settings_read == {name: value for name, value in settings_in(CONFIG).items() if value is not None}


def test_a_file_can_contain_some_settings_only(file: Path) -> None:
    file.write_text('[model]\nlayers = 2\n\n[text]\ndata = "a.txt"\n[training]\nlr = 1\n', encoding="utf-8")
    assert read_settings(file) == {"layers": 2, "data": ("a.txt",), "lr": 1.0}


def test_windows_line_ends_and_a_byte_order_mark_are_accepted(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf[model]\r\nlayers = 2\r\n")
    assert read_settings(file) == {"layers": 2}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[model]\nlayers = ", "is not valid TOML"),
        (b"[model]\nlayers = 1\nlayers = 2", "is not valid TOML"),
        (b"x = " + b"9" * 5000, "is not valid TOML"),
        (b"[model]\n# caf\xe9\n", r"is not UTF-8 \(byte 13\)"),
        (b"[modle]\nlayers = 1", r'unknown table \[modle\] \(did you mean "model"\?\); known: text, model, training'),
        (b"layers = 1", r"unknown table \[layers\]"),
        (b"model = 1", r"model must be a table, \[model\], of settings"),
        (b"[model]\nlayer = 1", r"unknown key 'layer' in \[model\] \(did you mean \"layers\"\?\)"),
        (b"[model]\nlr = 1", r"unknown key 'lr' in \[model\]; it belongs in \[training\]"),
        (b"[training]\nlr = nan", "lr must be a finite number, got nan"),
        (b"[training]\nbatch_size = 0", "batch_size must be at least 1, got 0"),
        (b"[text]\ntokenizer = 3", "tokenizer must be a string, got 3"),
        (
            b'[text]\ndata = "C:\\Users\\new.txt"',
            r"Invalid hex value .*in single quotes, as in 'C:\\Users'",
        ),
        (b'[text]\ndata = "C:\\data\\new.txt"', "Unescaped .*write paths in single quotes"),
    ],
)
def test_a_wrong_file_is_refused_with_path_and_reason(file: Path, content: bytes, message: str) -> None:
    file.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_settings(file)
    assert str(caught.value).startswith(str(file))
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"no configuration file at .*gone\.toml"):
        read_settings(tmp_path / "gone.toml")
    with pytest.raises(InputError, match=f"cannot read .*{tmp_path.name}"):
        read_settings(tmp_path)


def test_a_run_of_a_newer_weft_is_refused(file: Path) -> None:
    write_config(file, CONFIG)
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace(f"format = {FORMAT}", f"format = {FORMAT + 1}"), encoding="utf-8")
    with pytest.raises(CheckpointError, match=f"has format {FORMAT + 1}, made by a newer weft .*: upgrade weft"):
        read_config(file)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (f"format = {FORMAT}\n", "", "it has no format number"),
        ("hidden_size = 4\n", "", "hidden_size missing"),
        ("hidden_size = 4\n", "hidden_size = -4\n", "hidden_size must be at least 1"),
        ("[training]", "[training", "is not valid TOML"),
    ],
)
def test_a_damaged_configuration_of_a_run_is_a_checkpoint_error(file: Path, old: str, new: str, message: str) -> None:
    write_config(file, CONFIG)
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(CheckpointError, match=message):
        read_config(file)

"""Weights of scores, and their file."""

from __future__ import annotations

from pathlib import Path

import pytest

from weft.errors import InputError, MissingFileError
from weft.rescoring import Weights, read_weights, write_weights


def test_written_weights_are_read_exactly(tmp_path: Path) -> None:
    path = tmp_path / "weights.toml"
    weights = {"acoustic_weight": 1.0, "lm_weight": 0.1 + 0.2, "word_weight": -1e-17, "old_lm_weight": 1e300}
    write_weights(path, weights, "seen 3 errors")
    assert path.read_text().startswith("# seen 3 errors\n")
    assert read_weights(path) == weights
    assert Weights(**weights).vector() == (1.0, 0.1 + 0.2, 1e300, -1e-17)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("lm_wight = 1", r"weights\.toml: unknown weight 'lm_wight' \(did you mean \"lm_weight\"\?\)"),
        ("lm_weight = true", "lm_weight must be a finite number, got True"),
        ('lm_weight = "1"', "lm_weight must be a finite number, got '1'"),
        ("lm_weight = nan", "lm_weight must be a finite number, got nan"),
        ("lm_weight = -inf", "lm_weight must be a finite number, got -inf"),
        (f"lm_weight = 1{'0' * 400}", "lm_weight must be a finite number, got a whole number of 1,329 bits"),
        (f"lm_weight = 0x{'f' * 6000}", "lm_weight must be a finite number, got a whole number of 24,000 bits"),
        (f"lm_weight = '{'x' * 6000}'", "lm_weight must be a finite number, got 'x{80}…'$"),
        (f"'{'x' * 6000}' = 1", "unknown weight 'x{80}…'; known: acoustic_weight"),
        ("lm_weight", r"weights\.toml is not valid TOML"),
    ],
)
def test_an_invalid_file_is_refused(tmp_path: Path, content: str, expected: str) -> None:
    path = tmp_path / "weights.toml"
    path.write_text(content)
    with pytest.raises(InputError, match=expected):
        read_weights(path)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="there are no weights at"):
        read_weights(tmp_path / "gone.toml")


def test_weights_are_finite() -> None:
    with pytest.raises(InputError, match="lm_weight must be a finite number, got inf"):
        Weights(lm_weight=float("inf"))

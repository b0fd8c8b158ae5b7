"""What the tests of the documentation share: files that its pages start with, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.run_documentation import prepare


@pytest.fixture(scope="session")
def starting_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small text and a small trained model."""
    folder = tmp_path_factory.mktemp("documentation")
    prepare(folder)
    return folder

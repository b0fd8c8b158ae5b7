"""The pictures of the documentation are drawn, in both schemes, the same each time."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.documentation import DOCS
from scripts.pictures.__main__ import PICTURES
from scripts.pictures.look import SCHEMES, save


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_the_same_each_time_it_is_drawn(name: str, tmp_path: Path) -> None:
    for scheme in SCHEMES:
        drawn = []
        for time in ("first", "second"):
            (tmp_path / time).mkdir(exist_ok=True)
            save(PICTURES[name](scheme), tmp_path / time, name)
            drawn.append([(tmp_path / time / f"{name}.{kind}").read_bytes() for kind in ("svg", "png")])
        assert drawn[0] == drawn[1]


def test_every_picture_of_the_pages_is_one_of_these() -> None:
    files = {f"{name}{scheme.suffix}.{kind}" for name in PICTURES for scheme in SCHEMES for kind in ("svg", "png")}
    assert {path.name for path in (DOCS / "pictures").iterdir()} == files

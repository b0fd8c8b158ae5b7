"""What the build of the site adds: generated pages and parts, navigation, pictures for dark pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import scripts.site
from scripts.api_reference import PAGES, reference_pages
from scripts.documentation import DOCS
from scripts.file_map import PACKAGE, escaped, file_map, first_line
from scripts.site import NAVIGATION, completed, part, write_generated
from weft.layers import __all__ as layers


def test_every_page_has_its_place_in_the_navigation() -> None:
    listed = [page for captions in NAVIGATION.values() for pages in captions.values() for page in pages]
    assert len(set(listed)) == len(listed)
    written = {page.stem for page in DOCS.glob("*.md")} - {"index"}
    assert written == {page for page in listed if "/" not in page}


def test_the_map_has_every_file_with_its_first_line() -> None:
    text = file_map()
    for path in PACKAGE.rglob("*.py"):
        if path.name != "__init__.py":
            assert f"| `{path.name}` | {escaped(first_line(path)).replace('|', chr(92) + '|')} |" in text
    assert "### `weft/backends/kernels/matmul/`" in text


def test_text_that_would_be_html_is_escaped_outside_of_code() -> None:
    assert escaped("<eos> and `<eos>`, a * b") == "&lt;eos> and `<eos>`, a \\* b"


def test_the_reference_has_every_public_name_with_signature_and_docstring() -> None:
    pages = reference_pages()
    assert list(pages) == [page.file for page in PAGES]
    headings = re.findall(r"^## (\w+)$", pages["layers"], re.MULTILINE)
    assert headings == layers
    assert "class TimeRNN(Wx: Array, Wh: Array, b: Array, stateful: bool = False" in pages["layers"]
    assert "### LanguageModel.perplexity" in pages["language-model"]
    assert "exp(mean nats per token)" in pages["language-model"]


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.stem)
def test_every_generated_part_of_a_page_can_be_made(page: Path) -> None:
    text = completed(page.stem, page.read_text("utf-8"))
    assert "<!-- generated:" not in text


def test_the_import_order_begins_with_what_imports_nothing() -> None:
    rows = part("import order").splitlines()
    assert rows[2].startswith("| 1 | `errors`")
    assert rows[-2].endswith("| `commands` |")


def test_a_picture_with_a_dark_form_becomes_a_pair() -> None:
    text = completed("some", "before\n\n![about](pictures/network.svg)\n\n![about](pictures/other.svg)\n")
    assert "```{image} pictures/network.svg\n:alt: about\n:class: only-light\n```" in text
    assert "```{image} pictures/network-dark.svg\n:alt: about\n:class: only-dark\n```" in text
    assert "![about](pictures/other.svg)" in text


def test_generated_pages_replace_those_of_the_last_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripts.site, "GENERATED", tmp_path / "generated")
    (tmp_path / "generated").mkdir()
    (tmp_path / "generated" / "old.md").write_text("", "utf-8")
    write_generated()
    assert not (tmp_path / "generated" / "old.md").exists()
    pages = {path.relative_to(tmp_path).with_suffix("").as_posix() for path in tmp_path.rglob("*.md")}
    assert pages == {
        page for of in (NAVIGATION["python"], NAVIGATION["benchmarks"]) for each in of.values() for page in each
    }

"""The pages are what they should be: links lead somewhere, commands and options exist, the README is short."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from helpers.paths import ROOT
from scripts.documentation import DOCS, fences, pages, without_fences
from weft.commands.cli import app

PAGES = [*pages(), ROOT / "CHANGELOG.md"]
README = ROOT / "README.md"
MOST_BYTES = 10_000
OTHER_PROGRAMS = {
    "--no-compile",
    "--all",
    "--json",
    "--plot",
    "--tiny",
    "--note",
    "--with",
    "--no-verify",
    "--fail-on-warning",
    "--model",
    "--tasks",
    "--kind",
    "--count",
    "--record",
}
"""Options of the project's scripts, of git and of lm-eval that the pages mention."""

PAGE_IDS = [page.relative_to(ROOT).as_posix() for page in PAGES]


def anchor(heading: str) -> str:
    """The anchor of a heading, as forges and the site form it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def links(page: Path) -> Iterator[str]:
    """The targets of links and pictures in a page."""
    text = re.sub(r"`[^`\n]*`", "", without_fences(page.read_text("utf-8")))
    yield from re.findall(r"\]\(([^)\s]+)\)", text)
    yield from re.findall(r'(?:src|srcset)="([^"]+)"', text)


@pytest.mark.parametrize("page", PAGES, ids=PAGE_IDS)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for link in links(page):
        if link.startswith("https://"):
            continue
        path, _, heading = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert page.parent != DOCS or target.is_file(), f"{link} is a folder, which the site cannot show"
        assert not target.is_relative_to(DOCS / "generated"), f"{link} is there only after a build"
        if heading:
            prose = without_fences(target.read_text("utf-8"))
            headings = re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
            assert heading in map(anchor, headings), link


def test_the_readme_is_short() -> None:
    assert len(README.read_bytes()) <= MOST_BYTES


def test_the_readme_leads_to_every_page_and_lists_every_command() -> None:
    text = README.read_text("utf-8")
    targets = set(links(README))
    assert {f"docs/{page.name}" for page in DOCS.glob("*.md")} - {"docs/index.md"} <= targets
    for name, command in commands().items():
        assert not name or hasattr(command, "list_commands") or f"`weft {name}" in text, name


def test_the_readme_lists_every_package() -> None:
    packages = {path.parent.name for path in (ROOT / "src" / "weft").glob("*/__init__.py")}
    table = README.read_text("utf-8").partition("## Packages")[2].partition("\n## ")[0]
    assert packages <= set(re.findall(r"`(\w+)`", table))


@cache
def commands() -> dict[str, Any]:
    """Every command by its name, the group `weft` itself under the empty name."""
    found: dict[str, Any] = {"": typer.main.get_command(app)}
    for name, command in list(found.items()):
        found |= _below(name, command)
    return found


def _below(name: str, command: Any) -> dict[str, Any]:
    if not hasattr(command, "list_commands"):
        return {}
    context = command.make_context(name or "weft", [], resilient_parsing=True)
    below = {f"{name} {own}".strip(): command.get_command(context, own) for own in command.list_commands(context)}
    return below | {key: value for own, each in below.items() for key, value in _below(own, each).items()}


@cache
def options() -> frozenset[str]:
    """The options of all commands."""
    parameters = [parameter for command in commands().values() for parameter in command.params]
    return frozenset(
        ["--help", "--debug", *(option for each in parameters for option in (*each.opts, *each.secondary_opts))]
    )


@pytest.mark.parametrize("page", PAGES, ids=PAGE_IDS)
def test_every_option_that_a_page_names_exists(page: Path) -> None:
    named = re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*[a-z0-9]", page.read_text("utf-8"))
    assert set(named) <= options() | OTHER_PROGRAMS


def test_the_pages_have_examples() -> None:
    languages = [language for page in pages() for language in fences(page.read_text("utf-8"))]
    assert languages.count("sh") > 20
    assert languages.count("python") > 10

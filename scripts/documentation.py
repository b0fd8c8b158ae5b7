"""The documentation's pages and the code blocks in them.

A page is a Markdown file. Fenced blocks marked `sh` and `python` are examples, and every example is run: in the order
of the page, in one folder per page. HTML comments, which no reader sees, say what an example needs:

    <!-- starts with: my.txt, runs/my -->             at the top of a page: files that are there before its first block
    <!-- not run: needs the Penn Treebank -->         before a block: run by `scripts.run_documentation --all` alone
    <!-- not run, in a clone: installs packages -->   the same, and the block's folder is a clone of the repository
    <!-- complete in itself -->                       before a Python block: it shares no names with the others
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts import ROOT

DOCS = ROOT / "docs"
GENERATED = DOCS / "generated"
LANGUAGES = ("sh", "python")

_FENCE = re.compile(r"^(?P<fence>```+)(?P<language>\S*)[^\n]*\n(?P<text>.*?)^(?P=fence)\s*$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!--\s*(?P<text>.*?)\s*-->\s*$", re.DOTALL)
_STARTS_WITH = re.compile(r"<!--\s*starts with:\s*(?P<names>.*?)\s*-->")
_NOT_RUN = re.compile(r"not run(?P<clone>, in a clone)?:\s*(?P<reason>\S.*)")


@dataclass(frozen=True)
class Block:
    """One example of a page.

    language   "sh" or "python"
    line       the line of the page on which its text begins, from 1
    reason     why only `--all` runs it, or None
    in_clone   whether its folder is a clone of the repository
    alone      whether a Python block has a namespace of its own
    """

    language: str
    text: str
    line: int
    reason: str | None = None
    in_clone: bool = False
    alone: bool = False


def pages() -> list[Path]:
    """All pages that are written by hand."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]


def blocks(page: str) -> Iterator[Block]:
    """The examples in the text of a page, in order."""
    for match in _FENCE.finditer(page):
        if match["language"] not in LANGUAGES:
            continue
        comment = _COMMENT.search(page, 0, match.start())
        said = comment["text"].rpartition("<!--")[2].strip() if comment else ""
        not_run = _NOT_RUN.fullmatch(said)
        yield Block(
            language=match["language"],
            text=match["text"],
            line=page.count("\n", 0, match.start("text")) + 1,
            reason=not_run["reason"] if not_run else None,
            in_clone=bool(not_run and not_run["clone"]),
            alone=said == "complete in itself",
        )


def starting_files(page: str) -> list[str]:
    """The files and folders that are to be there before the first example of a page runs."""
    found = _STARTS_WITH.search(page)
    return [name.strip() for name in found["names"].split(",")] if found else []


def fences(page: str) -> list[str]:
    """The language of every fenced block, those that are no examples too."""
    return [match["language"] for match in _FENCE.finditer(page)]


def without_fences(page: str) -> str:
    """The page without its fenced blocks: its prose."""
    return _FENCE.sub("", page)

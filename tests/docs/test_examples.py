"""Every example of the documentation runs, and the script that runs them reports one that does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from helpers.paths import ROOT
from scripts.documentation import LANGUAGES, blocks, fences, pages, starting_files
from scripts.run_documentation import environment

PAGES = pages()
RUN = [sys.executable, "-m", "scripts.run_documentation"]
OTHER_LANGUAGES = {"", "text", "toml"}


def run_examples(page: Path, files: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [*RUN, "--files", str(files), *options, str(page)]
    return subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_of_a_page_run(page: Path, starting_files: Path) -> None:
    run = run_examples(page, starting_files)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_fenced_block_is_an_example_or_plain_text(page: Path) -> None:
    assert set(fences(page.read_text("utf-8"))) <= {*LANGUAGES, *OTHER_LANGUAGES}


def test_blocks_are_read_with_what_the_comments_before_them_say() -> None:
    page = """<!-- starts with: my.txt, runs/my -->
```sh
one
```
<!-- not run: needs data -->

```sh
two
```
text
<!-- not run, in a clone: installs -->
```sh
three
```
```text
four
```
<!-- complete in itself -->
```python
five
```
"""
    assert starting_files(page) == ["my.txt", "runs/my"]
    one, two, three, five = blocks(page)
    assert (one.text, one.line, one.reason) == ("one\n", 3, None)
    assert (two.text, two.reason, two.in_clone) == ("two\n", "needs data", False)
    assert (three.reason, three.in_clone) == ("installs", True)
    assert (five.language, five.alone) == ("python", True)


@pytest.mark.parametrize("example", ["```sh\nweft nothing\n```", "```python\nname = 1\n```\n```python\nname + ''\n```"])
def test_an_example_that_fails_is_reported_with_its_place(example: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"{example}\n", "utf-8")
    run = run_examples(page, tmp_path)
    assert run.returncode == 1
    assert "failed in" in run.stdout
    assert str(page) in run.stderr


def test_an_example_that_is_not_run_is_passed_over(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- not run: a reason -->\n```sh\nfalse\n```\n", "utf-8")
    run = run_examples(page, tmp_path)
    assert (run.returncode, run.stdout) == (0, "page.md:3: not run: a reason\n")


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="only a repository can be cloned")
def test_all_examples_include_those_in_a_clone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    comment = "<!-- not run, in a clone: a reason -->"
    page.write_text(f"{comment}\n```sh\ntest -f pyproject.toml\n```\n```sh\ntest ! -f pyproject.toml\n```\n", "utf-8")
    run = run_examples(page, tmp_path, "--all")
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count("ran in") == 2

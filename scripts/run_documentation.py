"""Run the examples of the documentation: `python -m scripts.run_documentation [--all] [PAGE…]`.

Each page has a new temporary folder. Its `sh` blocks are run by bash, its `python` blocks in one namespace, in the
order of the page, until one fails. Without `--all`, blocks that are marked `not run` are left out; the other blocks of
the page must not need them.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts import ROOT
from scripts.documentation import Block, blocks, pages, starting_files

SENTENCES = (
    "you say goodbye and i say hello .",
    "you say yes and i say no .",
    "the value of the expression is the value of the object .",
    "the board believed the offer was too low .",
    "the board believed that the offer was too low .",
    "the company said the offer was too low .",
    "the offer was refused .",
)
LINES = 60
TRAINING = "--tokenizer word --embedding-size 16 --hidden-size 16 --epochs 3 --batch-size 2 --bptt 8 --lr 0.02"
"""How the model is trained that pages start with: small, and only so far that its answers are no accident."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.run_documentation", description=__doc__)
    parser.add_argument("pages", nargs="*", type=Path, metavar="PAGE", help="Markdown files (default: all)")
    parser.add_argument("--all", action="store_true", help="also the blocks that need data, minutes or a network")
    parser.add_argument("--files", type=Path, help="a folder made by `prepare`, with the files that pages start with")
    options = parser.parse_args(arguments)
    chosen = options.pages or pages()
    with tempfile.TemporaryDirectory() as temporary:
        files = options.files
        if files is None:
            files = Path(temporary)
            prepare(files)
        failed = [page for page in chosen if not run_page(page, files, run_all=options.all)]
    if failed:
        sys.exit(f"examples fail in {', '.join(map(str, failed))}")


def prepare(folder: Path) -> None:
    """Write the files that pages start with: a text, `my.txt`, and a small model trained on it, `runs/my`."""
    draw = random.Random(1)
    folder.joinpath("my.txt").write_text("".join(f"{draw.choice(SENTENCES)}\n" for _ in range(LINES)), "utf-8")
    command = [sys.executable, "-m", "weft", "train", "my.txt", *TRAINING.split()]
    subprocess.run(command, cwd=folder, env=environment(), check=True, capture_output=True)


def run_page(page: Path, files: Path, *, run_all: bool) -> bool:
    """Run the examples of a page, up to one that fails; prints what each did and returns whether all ran."""
    text = page.read_text("utf-8")
    with tempfile.TemporaryDirectory() as temporary:
        folder, clone = Path(temporary) / "page", Path(temporary) / "clone"
        folder.mkdir()
        for name in starting_files(text):
            copy(files / name, folder / name)
        names: dict[str, Any] = {"__name__": "__main__"}
        for block in blocks(text):
            place = f"{page.name}:{block.line}"
            if block.reason and not run_all:
                print(f"{place}: not run: {block.reason}", flush=True)
                continue
            if block.in_clone and not clone.exists():
                subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
            began = time.perf_counter()
            failure = run(block, clone if block.in_clone else folder, {} if block.alone else names)
            print(f"{place}: {'failed' if failure else 'ran'} in {time.perf_counter() - began:.1f} s", flush=True)
            if failure:
                print(block.text, failure, sep="\n", flush=True)
                return False
    return True


def run(block: Block, folder: Path, names: dict[str, Any]) -> str | None:
    """Run one example in `folder`; returns None, or what it printed if it failed."""
    if block.language == "sh":
        command = ["bash", "-euo", "pipefail", "-c", block.text]
        ended = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, encoding="utf-8")
        return None if ended.returncode == 0 else ended.stdout + ended.stderr
    before, sys.path[:0] = Path.cwd(), [str(ROOT / "src"), str(ROOT)]
    os.chdir(folder)
    try:
        exec(compile(block.text, "<example>", "exec"), names)
    except Exception:
        return traceback.format_exc()
    finally:
        os.chdir(before)
        del sys.path[:2]
    return None


def environment() -> dict[str, str]:
    """The environment of an example: `weft` and `python` of this interpreter, and this source tree."""
    paths = [str(ROOT / "src"), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    commands = [str(Path(sys.executable).parent), *filter(None, [os.environ.get("PATH")])]
    own = {"PYTHONPATH": os.pathsep.join(paths), "PATH": os.pathsep.join(commands), "NO_COLOR": "1"}
    return {name: value for name, value in os.environ.items() if name != "WEFT_RUN"} | own


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)


if __name__ == "__main__":
    main()

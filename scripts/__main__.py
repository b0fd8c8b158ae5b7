"""Tasks of a contributor: `python -m scripts TASK`; without a task, the list of them.

They need the development extra, `docs` also the extra of that name. What follows a task goes to the last command of it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from scripts import ROOT

PYTHON = [sys.executable, "-m"]
IMPORT_LINTER = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]


@dataclass(frozen=True)
class Task:
    """`commands` run one after another, from the top of the source tree, until one fails.

    environment: variables that are set for them.
    """

    about: str
    commands: tuple[list[str], ...]
    environment: Mapping[str, str] = field(default_factory=dict)


ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""For tasks with several processes: libraries that take all cores wait for one another."""
TESTS_IN_PATH = {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT / "tests"), os.environ.get("PYTHONPATH")]))}
TASKS = {
    "check": Task(
        "static checks: ruff, formatting, types, import order",
        (
            [*PYTHON, "ruff", "check"],
            [*PYTHON, "ruff", "format", "--check"],
            [*PYTHON, "mypy"],
            [*IMPORT_LINTER, "--no-cache"],
        ),
    ),
    "format": Task("format the code", ([*PYTHON, "ruff", "check", "--fix"], [*PYTHON, "ruff", "format"])),
    "test": Task(
        "all tests, on all cores", ([*PYTHON, "pytest", "-q", "-n", "auto", "--dist", "worksteal"],), ONE_THREAD
    ),
    "campaign": Task(
        "disturb weft at random: kills, damage, odd texts, full disks, double starts; takes hours (--count N: less)",
        ([*PYTHON, "scripts.campaign"],),
        ONE_THREAD | TESTS_IN_PATH,
    ),
    "docs": Task("build the site; a dead link is an error", ([*PYTHON, "scripts.build_docs"],)),
    "examples": Task(
        "run the examples of the documentation (--all: also those that need data or minutes)",
        ([*PYTHON, "scripts.run_documentation"],),
    ),
    "pictures": Task("draw the pictures of the documentation", ([*PYTHON, "scripts.pictures"],)),
    "tables": Task("write the tables of the README", ([*PYTHON, "benchmarks.readme"], [*PYTHON, "results", "table"])),
    "ci": Task("everything that CI runs", (["bash", ".ci/run"],)),
}


def main(arguments: Sequence[str] | None = None) -> int:
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or [""]
    if name not in TASKS:
        width = max(map(len, TASKS))
        print("usage: python -m scripts TASK", *(f"  {task:{width}}  {TASKS[task].about}" for task in TASKS), sep="\n")
        return 0 if name in ("", "-h", "--help") else 2
    environment = {**os.environ, **TASKS[name].environment}
    *first, last = TASKS[name].commands
    for command in [*first, [*last, *rest]]:
        ended = subprocess.run(command, cwd=ROOT, env=environment)
        if ended.returncode:
            return ended.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())

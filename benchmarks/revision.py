"""The commit that figures were measured at, and whether the kernels have changed since.

All of it is asked of git. Where git or the history is missing, the answers are None.
"""

from __future__ import annotations

import subprocess
from typing import Any

from benchmarks import ROOT

KERNELS = "src/weft/backends/kernels"


def revision() -> dict[str, Any] | None:
    """The commit that is checked out, its date, and whether files differ from it; None without git."""
    commit, date = _git("rev-parse", "HEAD"), _git("show", "--no-patch", "--format=%cs", "HEAD")
    changed = _git("status", "--porcelain", "--untracked-files=no")
    if not commit or not date or changed is None:
        return None
    return {"commit": commit, "date": date, "changed": bool(changed)}


def kernel_commits_since(commit: str) -> int | None:
    """How many commits after `commit` have changed the kernels; None where git does not know the commit."""
    count = _git("rev-list", "--count", f"{commit}..HEAD", "--", KERNELS)
    return None if count is None else int(count)


def _git(*arguments: str) -> str | None:
    """What a git command prints; None if it fails or is not installed."""
    try:
        run = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    except OSError:
        return None
    return run.stdout.strip() if run.returncode == 0 else None

"""The commit at which figures were measured, and the number of later commits that change the kernels.

Both come from git. The functions return None if git or the history is missing.
"""

from __future__ import annotations

import subprocess
from typing import Any

from benchmarks import ROOT

KERNELS = "src/weft/backends/kernels"


def revision(within: str = ".") -> dict[str, Any] | None:
    """The checked-out commit, its date, and whether tracked files below `within` differ from it; None without git."""
    commit, date = _git("rev-parse", "HEAD"), _git("show", "--no-patch", "--format=%cs", "HEAD")
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", within)
    if not commit or not date or changed is None:
        return None
    return {"commit": commit, "date": date, "changed": bool(changed)}


def kernel_commits_since(commit: str) -> int | None:
    """Number of commits after `commit` that change the kernels; None if git does not know the commit."""
    count = _git("rev-list", "--count", f"{commit}..HEAD", "--", KERNELS)
    return None if count is None else int(count)


def _git(*arguments: str) -> str | None:
    """Standard output of a git command; None if it fails or git is not installed."""
    try:
        run = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    except OSError:
        return None
    return run.stdout.strip() if run.returncode == 0 else None

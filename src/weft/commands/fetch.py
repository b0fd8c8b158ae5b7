"""Fetching a named corpus with progress on standard error."""

from __future__ import annotations

import sys
from pathlib import Path

from weft.presentation.streams import note
from weft.text.catalogue import CATALOGUE, NamedCorpus, locate
from weft.text.download import fetch_corpus


def fetch_with_bar(name: str) -> dict[str, Path]:
    """Split -> path of the named corpus, fetched if it is not on this machine.

    Raises what `weft.text.download.fetch_corpus` raises.
    """
    here = locate(name)
    if here is not None:
        return here
    if not sys.stderr.isatty():
        note(f"fetching {name} ({megabytes(CATALOGUE[name])} MB)")
        return fetch_corpus(name)
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, TransferSpeedColumn(), TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task(f"fetching {name}", total=None)
        return fetch_corpus(name, lambda done, total: progress.update(task, completed=done, total=total))


def megabytes(corpus: NamedCorpus) -> str:
    """The size of the corpus in MB (10^6 bytes), one decimal."""
    return f"{corpus.size_bytes / 1e6:.1f}"

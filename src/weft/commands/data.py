"""`weft data`: the corpora that are known by name, whether they are here, and fetching them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weft.commands.tables import print_table
from weft.errors import InputError
from weft.text.catalogue import CATALOGUE, NamedCorpus, locate
from weft.text.download import fetch_corpus

if TYPE_CHECKING:
    from rich.console import Console

_HEADER = ("name", "what it is", "size (MB)", "licence", "where it is")


def data(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="The corpus to fetch, if it is not here yet.", show_default=False),
    ] = None,
) -> None:
    """List the named corpora, or fetch one.

    Without NAME: what there is, its size and licence, and where it is. With NAME: the paths of its files, fetched if
    they are not here. The environment variable WEFT_DATA names the folder they are kept in.
    """
    if name is None:
        from rich.console import Console

        print_corpora(Console())
        return
    for split, path in fetch_with_bar(name).items():
        typer.echo(f"{split}\t{path}")


def fetch_with_bar(name: str) -> dict[str, Path]:
    """Split -> path of the named corpus, fetched if it is not here; progress is shown on standard error.

    Raises what `weft.text.download.fetch_corpus` raises.
    """
    here = locate(name)
    if here is not None:
        return here
    if not sys.stderr.isatty():
        typer.echo(f"fetching {name} ({_megabytes(CATALOGUE[name])} MB)", err=True)
        return fetch_corpus(name)
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, TransferSpeedColumn(), TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task(f"fetching {name}", total=None)
        return fetch_corpus(name, lambda done, total: progress.update(task, completed=done, total=total))


def print_corpora(console: Console) -> None:
    """Print every named corpus."""
    print_table(console, _HEADER, [_row(corpus) for corpus in CATALOGUE.values()])


def _row(corpus: NamedCorpus) -> tuple[str, ...]:
    return corpus.name, corpus.title, _megabytes(corpus), corpus.licence, _whereabouts(corpus)


def _megabytes(corpus: NamedCorpus) -> str:
    return f"{corpus.size_bytes / 1e6:.1f}"


def _whereabouts(corpus: NamedCorpus) -> str:
    try:
        here = locate(corpus.name)
    except InputError as error:
        return str(error)
    return "not here" if here is None else ", ".join(dict.fromkeys(str(path.parent) for path in here.values()))

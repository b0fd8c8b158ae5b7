"""`weft data`: list the named corpora, or fetch one."""

from __future__ import annotations

from typing import Annotated

import typer

from weft.commands.fetch import fetch_with_bar, megabytes
from weft.commands.options.completion import completing
from weft.commands.tables import print_table
from weft.errors import InputError
from weft.presentation.streams import write_rows
from weft.text.catalogue import CATALOGUE, NamedCorpus, locate

_HEADER = ("name", "what it is", "size (MB)", "licence", "where it is")


def data(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="The corpus to fetch, unless it is here already.",
            show_default=False,
            **completing(lambda: list(CATALOGUE)),
        ),
    ] = None,
) -> None:
    """List the named corpora, or fetch one.

    Without NAME: every corpus, its size and licence, and where it is. With NAME: the paths of its files, fetched if
    they are not here. The environment variable WEFT_DATA names the folder they are kept in.

    Examples:
      weft data
      weft data ptb
    """
    if name is None:
        print_corpora()
        return
    write_rows(*((split, str(path)) for split, path in fetch_with_bar(name).items()))


def print_corpora() -> None:
    """Print every named corpus."""
    print_table(_HEADER, [_row(corpus) for corpus in CATALOGUE.values()])


def _row(corpus: NamedCorpus) -> tuple[str, ...]:
    return corpus.name, corpus.title, megabytes(corpus), corpus.licence, _location(corpus)


def _location(corpus: NamedCorpus) -> str:
    try:
        here = locate(corpus.name)
    except InputError as error:
        return str(error)
    return "not here" if here is None else ", ".join(dict.fromkeys(str(path.parent) for path in here.values()))

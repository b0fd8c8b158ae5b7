"""Texts named on the command line: files, folders, standard input, or one split of a named corpus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from weft.commands.fetch import fetch_with_bar
from weft.commands.options.completion import texts
from weft.commands.options.declaration import choice_option
from weft.commands.options.values import one_of
from weft.errors import InputError
from weft.run_folder import HELD_OUT
from weft.runs.reporting import Reporter, note_skipped
from weft.runs.text_sources import corpus_files
from weft.text.corpus import Corpus, open_corpus

TEXT_HELP = "Files, folders, globs, .gz, '-' for standard input, 'builtin', or a corpus that `weft data` lists."

OptionalText = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="TEXT",
        help=f"{TEXT_HELP}  [default: the run's own held-out text]",
        show_default=False,
        autocompletion=texts,
    ),
]
SplitOption = Annotated[
    str | None,
    choice_option(
        HELD_OUT,
        "Which text of the run, or of a named corpus.",
        default="test, or valid where the run has no test text",
    ),
]


def open_text(text: Sequence[str], split: str, reporter: Reporter) -> Corpus:
    """The text named, for a named corpus its `split`; skipped files of a folder are reported to `reporter`.

    Raises InputError for a corpus without this split, and what `corpus_files` and `open_corpus` raise.
    """
    files = corpus_files(text, fetch_with_bar)
    if files is not None and split not in files:
        raise InputError(f"the corpus {text[0]} has no {split} text; it has {', '.join(files)}")
    corpus = open_corpus(list(text) if files is None else [files[split]])
    note_skipped(reporter, corpus.skipped)
    return corpus


def check_split(split: str | None) -> None:
    """Raise InputError unless `split` is None or one of HELD_OUT."""
    if split is not None:
        one_of("--split", split, HELD_OUT)

"""Texts named on the command line: files, folders, standard input, or one split of a named corpus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated

import typer

from weft.commands.fetch import fetch_with_bar
from weft.commands.help import TEXT
from weft.commands.options.completion import texts
from weft.commands.options.declaration import choice_option, option
from weft.commands.options.values import one_of
from weft.errors import InputError
from weft.language_model import LanguageModel
from weft.run_folder import HELD_OUT
from weft.runs.reporting import Reporter
from weft.runs.text_sources import corpus_files
from weft.text.corpus import Corpus, open_corpus
from weft.text.decoding import Pieces
from weft.text.rules import check_marker

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


MarkerOption = Annotated[
    str | None,
    option(
        "A word of the text that ends a line, such as <eos>: it and the line end after it are one line end.",
        metavar="WORD",
        default="that of the run, if it has one",
        group=TEXT,
    ),
]


def open_text(text: Sequence[str], split: str, reporter: Reporter, marker: str = "") -> Corpus:
    """The text named, for a named corpus its `split`; skipped files of a folder are reported to `reporter`.

    marker: a word that ends lines. Raises InputError for a corpus without this split, and what `corpus_files` and
    `open_corpus` raise.
    """
    check_marker(marker)
    files = corpus_files(text, fetch_with_bar)
    if files is not None and split not in files:
        raise InputError(f"the corpus {text[0]} has no {split} text; it has {', '.join(files)}")
    corpus = open_corpus(list(text) if files is None else [files[split]], marker)
    for note in corpus.skip_notes():
        reporter.note(note)
    return corpus


@contextmanager
def text_pieces(corpus: Corpus, what: str, reporter: Reporter) -> Iterator[Pieces]:
    """The pieces of a corpus while a progress bar called `what` is shown, and notes on it after the first reading."""
    first = not corpus.was_read
    with reporter.reading(what, corpus.size_in_bytes) as on_bytes:
        yield corpus.pieces(on_bytes)
    for note in corpus.notes() if first else []:
        reporter.note(note)


def with_marker(lm: LanguageModel, marker: str | None) -> LanguageModel:
    """`lm`, reading lines that end at the word `marker`; None: as the run says."""
    if marker is None:
        return lm
    text = replace(lm.config.text, line_end_marker=marker)
    return LanguageModel(lm.model, lm.tokenizer, replace(lm.config, text=text), lm.steps, lm.reading)


def check_split(split: str | None) -> None:
    """Raise InputError unless `split` is None or one of HELD_OUT."""
    if split is not None:
        one_of("--split", split, HELD_OUT)

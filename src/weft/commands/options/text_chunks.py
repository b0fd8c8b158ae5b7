"""The tokens of the text that a command reads, in chunks, with progress on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.commands.options.text import open_text, text_pieces
from weft.errors import MissingFileError
from weft.language_model import LanguageModel, load
from weft.run_folder import held_out_texts, oov_path, read_whole, size_of, text_of
from weft.runs.reporting import OnStream
from weft.text.size import TextSize
from weft.text.size_counter import SizeCounter
from weft.text.tokens import TokenIds, open_tokens

CHUNK_TOKENS = 1000
"""Tokens of a run's own text in a chunk: a few seconds of dynamic evaluation, so that the progress bar moves."""

Chunks = Iterator[tuple[NDArray[Any], NDArray[np.bool_]]]
"""Token ids and out-of-vocabulary marks, both 1-D."""


class TextChunks(Chunks):
    """The tokens of a text in chunks; `size` is the size of the text once they are read, None if it is unknown."""

    def __init__(self, chunks: Chunks, size: Callable[[], TextSize | None]) -> None:
        self._chunks, self._size = chunks, size

    def __next__(self) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        return next(self._chunks)

    @property
    def size(self) -> TextSize | None:
        return self._size()


@dataclass(frozen=True)
class OwnText:
    """A held-out text of a run.

    ids   token ids
    oov   marks of unknown words
    size  None if an earlier version prepared the run
    """

    run: Path
    split: str
    ids: TokenIds
    oov: TokenIds
    size: TextSize | None


def load_with_text(run: Path, text: list[str], split: str | None) -> tuple[LanguageModel, OwnText | None]:
    """The model of a run and, if no text is named, its own held-out text: both of one run, also if another process
    replaces it meanwhile.

    Raises as `load` and `text_of` do, and MissingFileError if the run was prepared without this text.
    """
    return read_whole(run, lambda run: (load(run), None if text else _own_text(run, split)))


@contextmanager
def text_chunks(lm: LanguageModel, own: OwnText | None, text: list[str], split: str | None) -> Iterator[TextChunks]:
    """The tokens of the run's own text, without one of the text named, while a progress bar is shown."""
    reporter = OnStream(sys.stderr)
    if own is not None:
        reporter.note(f"the {own.split} text of {own.run}")
        with reporter.counting("reading", len(own.ids)) as on_tokens:
            yield TextChunks(_chunks(own.ids, own.oov, on_tokens), lambda: own.size)
        return
    corpus = open_text(text, split or "test", reporter, lm.config.text.line_end_marker)
    with text_pieces(corpus, "reading", reporter) as pieces:
        counter = SizeCounter()
        yield TextChunks(lm.chunks(counter.counting(pieces)), lambda: counter.size)


def _own_text(run: Path, split: str | None) -> OwnText:
    split = split or _first_held_out(run)
    ids = text_of(run, split)
    if ids is None:
        raise MissingFileError(f"{run} has no {split} text: name a text in its place, or another --split")
    return OwnText(run, split, ids, open_tokens(oov_path(run, split)), size_of(run, split))


def _first_held_out(run: Path) -> str:
    for split in reversed(held_out_texts(run)):
        return split
    raise MissingFileError(f"{run} has no text of its own that was held out: name a text to evaluate")


def _chunks(ids: TokenIds, oov: TokenIds, on_tokens: Callable[[int], None] | None) -> Chunks:
    """The text in chunks; before each, `on_tokens` gets the number of tokens of the chunks before it."""
    for start in range(0, len(ids), CHUNK_TOKENS):
        chunk = slice(start, start + CHUNK_TOKENS)
        if on_tokens:
            on_tokens(start)
        yield ids[chunk].astype(int), oov[chunk].astype(bool)

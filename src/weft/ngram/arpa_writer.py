"""Writes a model as an ARPA file: log10 probabilities, words and log10 back-off weights, order by order.

A number is written with enough digits that reading it gives the same float.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from weft.errors import InputError, quoted
from weft.files import replace_atomically
from weft.ngram.arpa_lines import WHITE_SPACE
from weft.ngram.counts import Ints
from weft.ngram.model import NGramModel

LINE_START = "<s>"
LINE_END = "</s>"
ROWS_AT_ONCE = 1 << 16


def write_arpa(path: Path, model: NGramModel, tokens: Sequence[str]) -> None:
    """Write `model` to `path`, compressed if the name ends in .gz; the file is replaced atomically.

    tokens: the word of every id (V,); the line end is written as `</s>`. Raises InputError as `check_words` does, and
    if the file cannot be written.
    """
    check_words(tokens, model.eos_id)
    words = [*tokens, LINE_START]
    words[model.eos_id] = LINE_END
    try:
        with replace_atomically(path) as plain, _compressed(plain, path) as file:
            counts = "".join(f"ngram {n}={len(table.keys)}\n" for n, table in enumerate(model.tables, start=1))
            file.write(f"\\data\\\n{counts}".encode())
            for n in range(1, model.order + 1):
                file.write(f"\n\\{n}-grams:\n".encode())
                for rows in _rows(model, n, words):
                    file.write(rows.encode("utf-8"))
            file.write(b"\n\\end\\\n")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error


def check_words(tokens: Sequence[str], eos_id: int) -> None:
    """Raise InputError for a token that cannot be a word of an ARPA file: one with blanks, or a sentence mark."""
    for mark in (LINE_START, LINE_END):
        if mark in tokens and tokens.index(mark) != eos_id:
            raise InputError(f"the text has the word {mark}, which is a sentence mark in ARPA files: remove it")
    for token in tokens:
        if not token or any(blank in token for blank in WHITE_SPACE):
            raise InputError(f"{quoted(token)} cannot be a word of an ARPA file, which has white space between words")


def _rows(model: NGramModel, n: int, words: Sequence[str]) -> Iterator[str]:
    """The lines of the n-grams, ROWS_AT_ONCE in a string."""
    table = model.tables[n - 1]
    for start in range(0, len(table.keys), ROWS_AT_ONCE):
        some = slice(start, start + ROWS_AT_ONCE)
        columns = _words_of(model, n, table.keys[some])
        ngrams = map(" ".join, zip(*([words[id] for id in column.tolist()] for column in columns), strict=True))
        logs = map(repr, table.log10_probabilities[some].tolist())
        backoffs = (f"\t{value!r}\n" for value in table.log10_backoffs[some].tolist())
        ends = backoffs if n < model.order else repeat("\n")
        yield "".join(f"{log}\t{ngram}{end}" for log, ngram, end in zip(logs, ngrams, ends, strict=False))


def _words_of(model: NGramModel, n: int, keys: Ints) -> list[Ints]:
    """The ids of the first, second, ... n-th word of each n-gram."""
    columns = []
    for table in reversed(model.tables[: n - 1]):
        prefixes, last = np.divmod(keys, model.vocab_size + 1)
        columns.append(last)
        keys = table.keys[prefixes]
    return [keys, *reversed(columns)]


@contextmanager
def _compressed(file: BinaryIO, path: Path) -> Iterator[BinaryIO]:
    if path.suffix != ".gz":
        yield file
        return
    with gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=6, mtime=0) as compressing:
        yield cast(BinaryIO, compressing)

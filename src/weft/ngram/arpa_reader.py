"""Reads ARPA files of any program, plain or compressed, into arrays.

    \\data\\
    ngram 1=4          how many n-grams of each order follow
    \\1-grams:
    -0.5 you -0.3      log10 probability, the n-gram, log10 back-off weight (0 if missing)
    \\end\\
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

import numpy as np

from weft.errors import InputError, quoted
from weft.ngram.arpa_lines import ArpaLines, Rows, open_arpa
from weft.ngram.arpa_numbers import checked_backoffs, checked_probabilities
from weft.ngram.arpa_writer import LINE_END, LINE_START
from weft.ngram.counts import Ints
from weft.ngram.model import NEVER, Floats, NGramModel, NGramTable

UNK, EOS = "<unk>", "<eos>"
UNKNOWN_MISSING = -100.0
"""log10 P(<unk>) of a model without <unk>, as in KenLM."""

_COUNT = re.compile(rb"ngram[ \t]+([0-9]{1,9})[ \t]*=[ \t]*([0-9]{1,18})")


def read_arpa(path: Path) -> tuple[NGramModel, list[str]]:
    """The model of an ARPA file, and the word of every id: 0 is `<unk>`, 1 is the line end `<eos>`.

    Raises MissingFileError, and InputError with the line for a file that is not an ARPA file or is inconsistent.
    """
    with open_arpa(path) as lines:
        counts = _header(lines)
        ids, tokens, first = _words(lines, counts[0])
        tables = [first]
        for n in range(2, len(counts) + 1):
            tables.append(_table(lines, n, counts[n - 1], ids, tables))
        lines.expect(b"\\end\\")
        lines.expect_end()
    tables[-1] = replace(
        tables[-1], log10_backoffs=np.zeros(0)
    )  # some programs write back-off weights for the highest order; they have no use
    return NGramModel(tables, eos_id=1, name=str(path), words=tokens), tokens


def _header(lines: ArpaLines) -> list[int]:
    counts: list[int] = []
    lines.find_data()
    while not (line := lines.next()).startswith(b"\\"):
        match = _COUNT.fullmatch(line)
        if match is None or int(match[1]) != len(counts) + 1:
            raise lines.error(f"expected a line like 'ngram {len(counts) + 1}=1000', got {quoted(line)}")
        counts.append(int(match[2]))
    if not counts:
        raise lines.error("no line like 'ngram 1=1000' stands after \\data\\")
    lines.put_back()
    return counts


class _Section(NamedTuple):
    """Some n-grams: their numbers, their words as n columns of bytes, and their line numbers."""

    log10_probabilities: Floats
    log10_backoffs: Floats
    columns: list[list[bytes]]
    numbers: Ints


def _parsed(lines: ArpaLines, n: int, rows: Rows) -> _Section:
    """The n-grams of some lines; raises InputError for a line that is not n words between numbers."""
    fields, lengths, numbers = rows

    def error(row: int, what: str) -> InputError:
        return lines.error(what, int(numbers[row]))

    wrong = (lengths < n + 1) | (lengths > n + 2)
    if wrong.any():
        row = int(wrong.argmax())
        words = f"{n} word{'s' * (n > 1)}"
        raise error(
            row, f"expected a log10 probability, {words} and perhaps a back-off weight, got {lengths[row]} fields"
        )
    logs = checked_probabilities([row[0] for row in fields], error)
    if (lengths == n + 1).all():
        backoffs = np.zeros(len(fields))
    else:
        backoffs = checked_backoffs([row[n + 1] if len(row) > n + 1 else b"0" for row in fields], error)
    return _Section(logs, backoffs, [[row[k] for row in fields] for k in range(1, n + 1)], numbers)


def _words(lines: ArpaLines, count: int) -> tuple[dict[bytes, int], list[str], NGramTable]:
    """The 1-grams: word as written -> id, the words by id, and the table."""
    sections = [_parsed(lines, 1, rows) for rows in lines.section(1, count)]
    words = [word for section in sections for word in section.columns[0]]
    numbers, logs, backoffs = (
        np.concatenate([getattr(section, name) for section in sections] or [np.zeros(0)])
        for name in ("numbers", "log10_probabilities", "log10_backoffs")
    )
    unk = UNK.encode() if UNK.encode() in words else UNK.upper().encode()
    special = {unk: 0, LINE_END.encode(): 1}
    ordinary = [word for word in words if word not in special and word != LINE_START.encode()]
    ids = special | {word: id for id, word in enumerate(ordinary, start=2)}
    start_id = len(ids)
    ids[LINE_START.encode()] = start_id
    places = np.array([ids[word] for word in words], dtype=np.int64)
    _check_words(lines, words, numbers)
    log10_probabilities = np.full(start_id + 1, UNKNOWN_MISSING)
    log10_backoffs = np.zeros(start_id + 1)
    log10_probabilities[places], log10_backoffs[places] = logs, backoffs
    log10_probabilities[start_id] = NEVER
    tokens = [UNK, EOS, *(word.decode("utf-8") for word in ordinary)]
    return ids, tokens, NGramTable(np.arange(start_id + 1), log10_probabilities, log10_backoffs)


def _check_words(lines: ArpaLines, words: Sequence[bytes], numbers: Ints) -> None:
    seen = set()
    for word, number in zip(words, numbers.tolist(), strict=True):
        if word in seen:
            raise lines.error(f"the word {quoted(word)} is there twice", number)
        if word == EOS.encode():
            raise lines.error(
                f"the word {EOS} is how weft writes the line end, which the file writes {LINE_END}", number
            )
        try:
            word.decode("utf-8")
        except UnicodeDecodeError:
            raise lines.error(f"the word {quoted(word)} is not UTF-8; convert the file first", number) from None
        seen.add(word)
    if LINE_END.encode() not in seen:
        raise lines.error(f"the 1-grams have no {LINE_END}, the end of a line, which weft predicts")


def _table(lines: ArpaLines, n: int, count: int, ids: dict[bytes, int], below: Sequence[NGramTable]) -> NGramTable:
    """The n-grams of order n; below: the tables of all lower orders."""
    parts: list[tuple[Ints, Floats, Floats, Ints]] = []
    for rows in lines.section(n, count):
        section = _parsed(lines, n, rows)
        keys = _keys(lines, section, ids, below)
        parts.append((keys, section.log10_probabilities, section.log10_backoffs, section.numbers))
    empty = (np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0), np.zeros(0, dtype=np.int64))
    keys, logs, backoffs, numbers = map(np.concatenate, zip(*(parts or [empty]), strict=True))
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    twice = np.flatnonzero(keys[1:] == keys[:-1])
    if twice.size:
        first, second = numbers[order[twice[0] : twice[0] + 2]].tolist()
        raise lines.error(f"the {n}-gram of line {first} is there again", second)
    return NGramTable(keys, logs[order], backoffs[order])


def _keys(lines: ArpaLines, section: _Section, ids: dict[bytes, int], below: Sequence[NGramTable]) -> Ints:
    """The keys of the n-grams of a section, see `NGramTable`."""
    base = len(ids)
    indices = np.zeros(len(section.numbers), dtype=np.int64)
    keys = indices
    for column, table in zip(section.columns, [*below, None], strict=True):
        words = np.fromiter(map(ids.get, column, repeat(-1)), np.int64, len(column))
        if (words < 0).any():
            row = int((words < 0).argmax())
            raise lines.error(f"the word {quoted(column[row])} is not among the 1-grams", int(section.numbers[row]))
        keys = indices * base + words
        if table is not None:
            indices = table.find(keys)
            if (indices < 0).any():
                row = int((indices < 0).argmax())
                raise _missing_prefix(lines, section, row)
    return keys


def _missing_prefix(lines: ArpaLines, section: _Section, row: int) -> InputError:
    ngram = [column[row] for column in section.columns]
    whole, prefix = (quoted(b" ".join(words), 60) for words in (ngram, ngram[:-1]))
    return lines.error(
        f"the {len(ngram)}-gram {whole} is there, but not all that it begins with, up to {prefix}",
        int(section.numbers[row]),
    )

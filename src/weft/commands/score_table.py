"""`weft score FILE --text-column NAME`: the scores of the texts in a table, beside its other columns."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, islice
from typing import BinaryIO

from weft.commands.options.score_options import ScoreOptions
from weft.commands.options.score_tables import TableOptions, check_defined, columns_of
from weft.commands.options.speed import kernels_for_lines
from weft.commands.options.unknown import UnknownWords
from weft.errors import InputError, WeftError
from weft.language_model import LanguageModel
from weft.presentation.streams import note, write
from weft.scoring.token_score import TokenScore
from weft.tables.frame import wanted_for
from weft.tables.readers import read_table
from weft.tables.score_rows import TableScorer
from weft.tables.writers import table_writer


@dataclass(frozen=True)
class TableReading:
    """How texts are read. eos: score the end of each text too. adapted: makes a model that adapts, if that is asked."""

    lm: LanguageModel
    batch_size: int | None
    eos: bool
    kernels: str
    threads: int | None
    adapted: Callable[[LanguageModel], LanguageModel]


def score_table(source: str, options: TableOptions, output: ScoreOptions, reading: TableReading) -> None:
    """Write the table `source` with the scores to standard output."""
    layout, marks = options.layout(output), options.marks()
    columns, words = columns_of(output), output.words and reading.lm.tokenizer.splits_words
    check_defined(columns, words)
    wanted = wanted_for(columns, words)
    scorer = TableScorer(options.text_column or "", layout, marks)
    unknown = UnknownWords(as_na=output.unknown_as_na)
    with ExitStack() as stack:
        table = read_table(source)
        scorer.check(table.columns)

        def score(texts: Iterator[str | None]) -> Iterable[list[TokenScore]]:
            context, lines = kernels_for_lines(reading.lm, texts, reading.batch_size, reading.kernels, reading.threads)
            stack.enter_context(context)
            lm = reading.adapted(reading.lm)
            scores = lm.score_running if output.running else lm.score_lines
            return unknown.counting(scores(lines, reading.batch_size, reading.eos, wanted))

        scored = scorer.scored(table.rows, score)
        first = list(islice(scored, 1))  # errors in the first row are raised before anything is written
        writer = table_writer(output.format or table.format, table, layout.headers, write, _binary_output)
        for name, other in writer.renamed.items():
            note(f"the table has a column {name}: that of the scores is written as {other}")
        try:
            for row, values in chain(first, scored):
                writer.write(row, values)
            writer.close()
        except WeftError:
            _report(scorer, unknown)  # on the rows before the error, which are written
            raise
    _report(scorer, unknown)


def _report(scorer: TableScorer, unknown: UnknownWords) -> None:
    for line in scorer.notes():
        note(line)
    unknown.report()


def _binary_output() -> BinaryIO:
    if sys.stdout.isatty():
        raise InputError("Parquet is no text for a terminal: write it to a file with >")
    sys.stdout.flush()
    return sys.stdout.buffer

"""Scores of data frames: a frame of pandas or polars in, a frame of the same kind out.

Neither library is a dependency of weft; the one that a frame is from is used.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol, TypeVar, cast

from weft.errors import InputError, nearest, quoted
from weft.scoring.text_scores import LOGPROB_ALONE, Wanted
from weft.scoring.token_score import TokenScore
from weft.scoring.units import UNITS
from weft.tables.layouts import Header, LayoutSettings, Values
from weft.tables.regions import RegionMarks
from weft.tables.score_rows import TableScorer, check_column, free_names
from weft.text.given import given_lines

LIBRARIES = ("pandas", "polars")
TEXT = "sentence"
"""The column of the texts in frames that are made of lines."""

Frame = TypeVar("Frame")


class Scorer(Protocol):
    """What is needed of a language model."""

    def score_lines(
        self,
        lines: Iterable[str | None],
        batch_size: int | None = None,
        eos: bool = True,
        wanted: Wanted = LOGPROB_ALONE,
    ) -> Iterator[list[TokenScore]]:
        """The scores of each line, None of a line without scores."""


def score_frame(
    lm: Scorer,
    frame: Frame,
    text: str = TEXT,
    layout: str | None = None,
    *,
    regions: str | None = None,
    columns: Sequence[str] = (),
    base: str | None = None,
    words: bool = False,
    eos: bool = True,
    unknown_as_na: bool = False,
    batch_size: int | None = None,
) -> Frame:
    """The rows of a pandas or polars frame with the scores of the texts in the column `text`; a frame of that kind.

    layout   "long": a row for each token, with the columns row, position, token, text, start, end, logprob_nats,
             surprisal_bits, oov; "wide": one for each sentence, with row, tokens, oov, logprob_sum_nats,
             surprisal_sum_bits, surprisal_mean_bits; "regions": one for each region, with row, region_number, region,
             words, tokens, oov, surprisal_sum_bits, surprisal_mean_bits; None: regions if these are given, else long
    regions  how regions are given, see `weft.tables.regions`: "brackets", "bars", "numbers:COLUMN", "names:COLUMN"
    columns  of the long layout, without units: of position, token, text, start, end, logprob, surprisal, entropy,
             entropy_reduction, rank, oov
    base     "2", "e" or "10": bits, nats or bans for all logarithms; None: nats for logprob, bits for the others
    words    scores of words, where tokens are parts of words
    eos      include the line end, which is in no region

    `row` counts the rows of the frame from 0. Every other column of the frame is repeated for its rows; a score whose
    name the frame has already begins with `weft_`. A row without text has one row without scores. Of a pandas frame, a
    multiple index is not kept. Raises InputError for another kind of frame, a column that is not there, and what
    regions or layouts refuse.
    """
    marks = None if regions is None else RegionMarks.of(regions)
    if base is not None and base not in UNITS:
        raise InputError(f"base must be one of {', '.join(UNITS)}, got {quoted(base)}")
    unit = None if base is None else UNITS[base]
    chosen = LayoutSettings(layout, marks is not None, columns, unit, unknown_as_na).chosen()
    scorer = TableScorer(text, chosen, marks)
    kind = _kind(frame)
    wanted = wanted_for(columns, words)
    names = [str(name) for name in frame.columns]  # type: ignore[attr-defined]
    scorer.check(names)
    rows = _rows(frame, scorer.needed, kind)
    counts: list[int] = []
    values: list[Values] = []
    for _, scored in scorer.scored(rows, lambda texts: lm.score_lines(texts, batch_size, eos, wanted)):
        counts.append(len(scored))
        values += scored
    headers = [
        Header(name, header.kind)
        for name, header in zip(free_names([h.name for h in chosen.headers], names), chosen.headers, strict=True)
    ]
    return cast(Frame, _joined(frame, kind, counts, headers, values))


def frame_of_lines(lm: Scorer, lines: str | Iterable[str | None], library: str | None = None, **settings: Any) -> Any:
    """As `score_frame`, of a text or of lines, in a frame of `library`; None: pandas if it is installed, or polars.

    Of a text, its lines are taken. The frame has the lines in the column "sentence".
    """
    if library is not None and library not in LIBRARIES:
        raise InputError(f"library must be one of {', '.join(LIBRARIES)}, got {library!r}{nearest(library, LIBRARIES)}")
    wanted = LIBRARIES if library is None else (library,)
    found = next((name for name in wanted if importlib.util.find_spec(name) is not None), None)
    if found is None:
        raise InputError(f"a frame needs {' or '.join(wanted)}, which is not installed: pip install {wanted[0]}")
    texts = list(given_lines(lines, gaps=True))
    made = importlib.import_module(found)
    if found == "pandas":
        return score_frame(lm, made.DataFrame({TEXT: made.Series(texts, dtype=object)}), TEXT, **settings)
    return score_frame(lm, made.DataFrame({TEXT: texts}, schema={TEXT: made.String}), TEXT, **settings)


def wanted_for(columns: Sequence[str], words: bool) -> Wanted:
    """The measures that columns need. Raises InputError for alternatives, which are more than one value."""
    if "alternatives" in columns:
        raise InputError("a table has one value in a cell: the column 'alternatives' is for lines of text")
    return Wanted(words=words, entropy="entropy" in columns or "entropy_reduction" in columns, rank="rank" in columns)


def _kind(frame: Any) -> str:
    kind = type(frame).__module__.partition(".")[0]
    if kind not in LIBRARIES or not hasattr(frame, "columns" if kind == "pandas" else "to_dicts"):
        name = f"{type(frame).__module__}.{type(frame).__qualname__}"
        raise InputError(f"expected a data frame of pandas or polars, got a {name}; collect a lazy frame first")
    return kind


def _rows(frame: Any, names: Sequence[str], kind: str) -> Iterator[dict[str, Any]]:
    """The cells of some columns, row by row; None for a missing value."""
    for name in names:
        check_column(name, [str(column) for column in frame.columns])
    cells = []
    for name in names:
        column = frame[name]
        if kind == "pandas":
            cells.append([None if missing else cell for cell, missing in zip(column, column.isna(), strict=True)])
        else:
            cells.append(column.to_list())
    return (dict(zip(names, row, strict=True)) for row in zip(*cells, strict=True))


def _joined(frame: Any, kind: str, counts: Sequence[int], headers: Sequence[Header], values: Sequence[Values]) -> Any:
    """Each row of the frame as many times as it has rows of scores, with the scores."""
    indices = [index for index, count in enumerate(counts) for _ in range(count)]
    columns = list(zip(*values, strict=True)) if values else [()] * len(headers)
    library = importlib.import_module(kind)
    cells = list(zip(headers, map(list, columns), strict=True))
    if kind == "polars":
        types = {"text": library.String, "whole": library.Int64, "number": library.Float64}
        return frame[indices].with_columns(
            [library.Series(header.name, column, dtype=types[header.kind]) for header, column in cells]
        )
    repeated = frame.iloc[indices].reset_index(drop=True)
    new = {header.name: library.Series(column, dtype=_pandas_type(header, column)) for header, column in cells}
    return library.concat([repeated, library.DataFrame(new, index=repeated.index)], axis=1)


def _pandas_type(header: Header, column: Sequence[Any]) -> str:
    if header.kind == "whole":
        return "Int64" if None in column else "int64"
    return "object" if header.kind == "text" else "float64"

"""Reading tables row by row: CSV, TSV, JSON lines and Parquet, each cell as it is written.

A table of text is UTF-8, with or without a byte-order mark, and may be compressed with gzip (`.gz`). The first row of
CSV and TSV has the names of the columns; fields are quoted as in RFC 4180. A CSV file without a comma in its first line
and with a semicolon there, as spreadsheets of several countries write it, is separated by semicolons. The columns of
JSON lines are the keys of the first object. Blank lines are passed over.
"""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from weft.errors import InputError, nearest, quoted
from weft.files import opened, reading
from weft.tables.parquet import parquet_table
from weft.text.byte_sources import standard_input

FORMATS = ("csv", "tsv", "jsonl", "parquet")
ENDINGS = {
    ".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl",
    ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip
LONGEST_LINE = 1 << 22
"""Most bytes in a line."""

Row = dict[str, Any]


@dataclass
class Table:
    """A table that is read as its rows are taken.

    format     one of FORMATS
    delimiter  of CSV and TSV
    schema     of Parquet: pyarrow's; None for other formats
    """

    columns: list[str]
    rows: Iterator[Row]
    format: str
    delimiter: str = ","
    schema: Any = None


def read_table(source: str, format: str | None = None) -> Table:
    """The table in the file `source`, or on standard input for "-". The file is closed after the last row.

    format: one of FORMATS; None: by the ending of the name, or else by the first line. Raises MissingFileError, and
    InputError for what is no such table, with the place. Errors in later rows are raised when these are taken.
    """
    if format is not None and format not in FORMATS:
        raise InputError(f"a table is one of {', '.join(FORMATS)}, got {quoted(format)}{nearest(format, FORMATS)}")
    path = Path(source)
    named = ENDINGS.get(Path(path.stem if path.suffix == ".gz" else path.name).suffix.lower())
    format = format or (None if source == "-" else named)
    if format == "parquet":
        columns, rows, schema = parquet_table(source)
        return Table(columns, rows, "parquet", schema=schema)
    return _text_table(_lines(source), "standard input" if source == "-" else source, format)


def _text_table(lines: Iterator[str], name: str, format: str | None) -> Table:
    first = next((line for line in lines if line.strip("\r\n")), None)
    if first is None:
        raise InputError(f"{name} is empty: a table has the names of its columns in the first line")
    lines = chain([first], lines)
    if format is None:
        format = "jsonl" if first.lstrip().startswith("{") else "tsv" if "\t" in first else "csv"
    if format == "jsonl":
        return _json_lines(lines, name)
    return _delimited(lines, name, format, "\t" if format == "tsv" else _delimiter(first))


def _lines(source: str) -> Iterator[str]:
    """The lines with their line ends, as `csv` needs them."""
    name = "standard input" if source == "-" else source
    with reading(name), standard_input() if source == "-" else opened(Path(source)) as stream:
        number = 0
        while line := stream.readline(LONGEST_LINE):
            number += 1
            if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                raise InputError(f"{name}: line {number} is longer than {LONGEST_LINE:,} bytes")
            yield _decoded(line.removeprefix(codecs.BOM_UTF8) if number == 1 else line, name, number)


def _decoded(line: bytes, name: str, number: int) -> str:
    if b"\0" in line:
        raise InputError(f"{name} looks binary: there is a zero byte in line {number}")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name} is not UTF-8: line {number}, byte {error.start} of the line; convert it to UTF-8 first"
        ) from None


def _delimiter(header: str) -> str:
    """The delimiter of CSV by its first line."""
    unquoted = re.sub('"[^"]*"?', "", header)
    return ";" if "," not in unquoted and ";" in unquoted else ","


def _delimited(lines: Iterator[str], name: str, format: str, delimiter: str) -> Table:
    records = _records(lines, name, delimiter)
    _, columns = next(records)
    _check_names(columns, name)

    def rows() -> Iterator[Row]:
        for line, fields in records:
            if len(fields) != len(columns):
                raise InputError(
                    f"{name}: line {line} ends a row of {len(fields)} fields, and the header has {len(columns)}: is a "
                    "field with a delimiter or a line break not in quotation marks?"
                )
            yield dict(zip(columns, fields, strict=True))

    return Table(columns, rows(), format, delimiter)


def _records(lines: Iterator[str], name: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The fields of each row, with the number of its last line; blank lines are passed over."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(f"{name}: line {reader.line_num}: {error}; are its quotation marks doubled?") from None
        if fields:
            yield reader.line_num, fields


def _json_lines(lines: Iterator[str], name: str) -> Table:
    rows = _objects(lines, name)
    first = next(rows)
    return Table(list(first), chain([first], rows), "jsonl")


def _objects(lines: Iterator[str], name: str) -> Iterator[Row]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{name}: line {number} is not JSON: {error}") from None
        if not isinstance(row, dict):
            raise InputError(f"{name}: line {number} should be a JSON object, got {quoted(row)}")
        if number == 1:
            _check_names(list(row), name)
        yield row


def _refuse_constant(constant: str) -> Any:
    raise ValueError(f"{constant} is no number of JSON")


def _check_names(columns: list[str], name: str) -> None:
    if not columns:
        raise InputError(f"{name} has no columns")
    twice = next((column for column in columns if columns.count(column) > 1), None)
    if twice is not None:
        raise InputError(f"{name} has two columns {quoted(twice)}: rename one of them")

"""Writing rows of a table with columns of scores: CSV, TSV, JSON lines and Parquet.

Cells of the input stay as they are. A score that is undefined is NA in CSV and TSV, and null otherwise; a text that is
undefined is an empty field or null. Numbers have six decimals.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO

from weft.errors import InputError, nearest, quoted
from weft.presentation.records import decimal, json_text
from weft.tables.layouts import Header, Values
from weft.tables.parquet import ParquetRows
from weft.tables.readers import FORMATS, Table
from weft.tables.score_rows import free_names

NA = "NA"

Row = Mapping[str, Any]
WriteText = Callable[[str], None]


class TableWriter(ABC):
    """Writes a header and rows. columns: of the input, then the computed ones under names that are free."""

    def __init__(self, table: Table, headers: Sequence[Header]) -> None:
        names = free_names([header.name for header in headers], table.columns)
        self._input = list(table.columns)
        self._known = set(table.columns)
        self.headers = [Header(name, header.kind) for name, header in zip(names, headers, strict=True)]
        self.renamed = {header.name: name for name, header in zip(names, headers, strict=True) if name != header.name}

    @abstractmethod
    def write(self, row: Row, values: Sequence[Values]) -> None:
        """Write the rows of scores of one row of the input."""

    @abstractmethod
    def close(self) -> None:
        """Write what is left. Called once, after the last row."""

    def _cells(self, row: Row) -> list[Any]:
        """The cells of the input in the order of its columns. Raises InputError for a column of this row alone."""
        other = next((name for name in row if name not in self._known), None)
        if other is not None:
            raise InputError(
                f"a row has a column {quoted(other)}, which the first row lacks: give it to the first row, or write "
                "JSON lines"
            )
        return [row.get(name) for name in self._input]


class DelimitedWriter(TableWriter):
    """CSV or TSV. A field with a delimiter, a quotation mark or a line break is in quotation marks."""

    def __init__(self, table: Table, headers: Sequence[Header], delimiter: str, write: WriteText) -> None:
        super().__init__(table, headers)
        self._delimiter, self._write = delimiter, write
        self._write(self._joined([self._quoted(name) for name in self._input + [h.name for h in self.headers]]))

    def write(self, row: Row, values: Sequence[Values]) -> None:
        before = [self._quoted(_cell(cell)) for cell in self._cells(row)]
        kinds = [header.kind for header in self.headers]
        lines = []
        for scores in values:
            shown = [self._quoted(_field(value, kind)) for value, kind in zip(scores, kinds, strict=True)]
            lines.append(self._joined([*before, *shown]))
        self._write("".join(lines))

    def close(self) -> None:
        pass

    def _joined(self, fields: Sequence[str]) -> str:
        return self._delimiter.join(fields) + "\n"

    def _quoted(self, field: str) -> str:
        if self._delimiter in field or any(character in field for character in '"\r\n'):
            return '"' + field.replace('"', '""') + '"'
        return field


class JsonWriter(TableWriter):
    """JSON lines: the object of the input with the scores as further members."""

    def __init__(self, table: Table, headers: Sequence[Header], write: WriteText) -> None:
        super().__init__(table, headers)
        self._write = write
        self._keys = [json_text(header.name) for header in self.headers]

    def write(self, row: Row, values: Sequence[Values]) -> None:
        other = next((header.name for header in self.headers if header.name in row), None)
        if other is not None:
            raise InputError(f"a row has {quoted(other)}, a name of a score, which the first row lacks: rename it")
        before = [f"{json_text(key)}: {json_text(_json_cell(value))}" for key, value in row.items()]
        kinds = [header.kind for header in self.headers]
        lines = []
        for scores in values:
            members = [
                f"{key}: {_json_value(value, kind)}" for key, value, kind in zip(self._keys, scores, kinds, strict=True)
            ]
            lines.append(f"{{{', '.join([*before, *members])}}}\n")
        self._write("".join(lines))

    def close(self) -> None:
        pass


class ParquetWriter(TableWriter):
    """Parquet, with the types of a Parquet input."""

    def __init__(self, table: Table, headers: Sequence[Header], stream: BinaryIO) -> None:
        super().__init__(table, headers)
        self._rows = ParquetRows(stream, self._input, table.schema, self.headers)

    def write(self, row: Row, values: Sequence[Values]) -> None:
        cells = self._cells(row)
        for scores in values:
            self._rows.add([*cells, *scores])

    def close(self) -> None:
        self._rows.close()


def table_writer(
    format: str, table: Table, headers: Sequence[Header], write: WriteText, binary: Callable[[], BinaryIO]
) -> TableWriter:
    """The writer of a format. write: takes text; binary: the stream for a format that is no text.

    Raises InputError for an unknown format.
    """
    match format:
        case "csv":
            return DelimitedWriter(table, headers, table.delimiter if table.format == "csv" else ",", write)
        case "tsv":
            return DelimitedWriter(table, headers, "\t", write)
        case "jsonl":
            return JsonWriter(table, headers, write)
        case "parquet":
            return ParquetWriter(table, headers, binary())
    raise InputError(f"a table is one of {', '.join(FORMATS)}, got {quoted(format)}{nearest(format, FORMATS)}")


def _cell(cell: Any) -> str:
    """A cell of the input as a field."""
    match cell:
        case str():
            return cell
        case None:
            return ""
        case bool() | dict() | list():
            return json_text(cell)
    return str(cell)


def _field(value: Any, kind: str) -> str:
    if value is None:
        return "" if kind == "text" else NA
    return decimal(value) if kind == "number" else str(value)


def _json_cell(cell: Any) -> Any:
    """A cell as JSON can hold it: dates, decimals and bytes of Parquet as text."""
    return cell if cell is None or isinstance(cell, str | bool | int | float | dict | list) else str(cell)


def _json_value(value: Any, kind: str) -> str:
    if value is None:
        return "null"
    return json_text(value) if kind == "text" else _number(value) if kind == "number" else str(value)


def _number(number: float) -> str:
    return decimal(number).replace("inf", "1e999").replace("nan", "null")

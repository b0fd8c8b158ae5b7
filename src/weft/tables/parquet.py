"""Tables in Parquet files, by pyarrow, which the extra `parquet` installs."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from weft.errors import InputError, quoted
from weft.files import opened, reading
from weft.tables.layouts import Header

ROWS_AT_ONCE = 1024


def pyarrow() -> Any:
    """The package pyarrow with pyarrow.parquet. Raises InputError if it is not installed."""
    if importlib.util.find_spec("pyarrow") is None:
        raise InputError("Parquet needs the package 'pyarrow', which is not installed: pip install 'weft[parquet]'")
    importlib.import_module("pyarrow.parquet")
    return importlib.import_module("pyarrow")


def parquet_table(source: str) -> tuple[list[str], Iterator[dict[str, Any]], Any]:
    """The columns, rows and schema of a Parquet file. Raises MissingFileError, and InputError if it is none."""
    if source == "-":
        raise InputError("Parquet is read from its end: name a file, standard input will not do")
    contents = _schema_and_rows(source)
    schema = next(contents)
    columns = [str(column) for column in schema.names]
    if len(set(columns)) < len(columns):
        raise InputError(f"{source} has two columns of one name: rename one of them")
    return columns, contents, schema


def _schema_and_rows(source: str) -> Iterator[Any]:
    arrow = pyarrow()
    with reading(source), opened(Path(source)) as stream:
        try:
            file = arrow.parquet.ParquetFile(stream)
            yield file.schema_arrow
            for batch in file.iter_batches(batch_size=ROWS_AT_ONCE):
                yield from batch.to_pylist()
        except arrow.ArrowException as error:
            raise InputError(f"{source} is not a Parquet file, or is damaged: {_first_line(error)}") from None


class ParquetRows:
    """Writes rows as a Parquet file, ROWS_AT_ONCE in a group.

    columns, schema: of the input, the schema None if it was not Parquet: then the types of its columns are those of the
    first rows. headers: of the computed columns.
    """

    def __init__(self, stream: BinaryIO, columns: Sequence[str], schema: Any, headers: Sequence[Header]) -> None:
        self._arrow = pyarrow()
        self._stream, self._columns, self._headers = stream, columns, headers
        self._fields = None if schema is None else list(schema)
        self._rows: list[Sequence[Any]] = []
        self._writer: Any = None

    def add(self, values: Sequence[Any]) -> None:
        """Write a row: the cells of the input, then the computed values."""
        self._rows.append(values)
        if len(self._rows) >= ROWS_AT_ONCE:
            self._write()

    def close(self) -> None:
        """Write the rest, and the end of the file."""
        self._write()
        self._writer.close()

    def _write(self) -> None:
        arrow = self._arrow
        cells = list(zip(*self._rows, strict=True)) if self._rows else [()] * (len(self._columns) + len(self._headers))
        if self._writer is None:
            schema = arrow.schema([*(self._fields or self._inferred(cells)), *map(self._field, self._headers)])
            self._writer = arrow.parquet.ParquetWriter(self._stream, schema)
        schema = self._writer.schema
        arrays = [self._array(field, values) for field, values in zip(schema, cells, strict=True)]
        self._writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))
        self._rows = []

    def _inferred(self, cells: Sequence[Sequence[Any]]) -> list[Any]:
        types = []
        for name, values in zip(self._columns, cells, strict=False):
            try:
                type = self._arrow.array(values).type
            except (self._arrow.ArrowException, OverflowError) as error:
                raise InputError(f"Parquet cannot hold the column {quoted(name)}: {_first_line(error)}") from None
            types.append(self._arrow.field(name, self._arrow.string() if self._arrow.types.is_null(type) else type))
        return types

    def _field(self, header: Header) -> Any:
        kinds = {"text": self._arrow.string(), "whole": self._arrow.int64(), "number": self._arrow.float64()}
        return self._arrow.field(header.name, kinds[header.kind])

    def _array(self, field: Any, values: Sequence[Any]) -> Any:
        try:
            return self._arrow.array(values, type=field.type)
        except (self._arrow.ArrowException, OverflowError) as error:
            raise InputError(
                f"the column {quoted(field.name)} is {field.type} in its first rows, and Parquet has one type a "
                f"column: {_first_line(error)}"
            ) from None


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]

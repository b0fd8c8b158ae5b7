"""Tables of every format keep their cells, whatever these are, and odd files are refused in one line."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.errors import InputError, MissingFileError
from weft.tables.layouts import Header
from weft.tables.readers import Table, read_table
from weft.tables.writers import table_writer

ODD = st.text(st.sampled_from("a\"',;\t\r\n |\\\u2028\x85\x1b好é😀-=#"), max_size=6)
NAMES = st.lists(ODD.filter(bool), min_size=1, max_size=4, unique=True)
HEADERS = [Header("score", "number"), Header("count", "whole"), Header("token", "text")]


def written(format: str, table: Table, values: list[tuple[Any, ...]]) -> bytes:
    text: list[str] = []
    binary = io.BytesIO()
    writer = table_writer(format, table, HEADERS, text.append, lambda: binary)
    for row in table.rows:
        writer.write(row, values)
    writer.close()
    return binary.getvalue() or "".join(text).encode("utf-8")


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    names = draw(NAMES)
    return names, draw(st.lists(st.lists(ODD, min_size=len(names), max_size=len(names)), max_size=4))


@given(tables(), st.sampled_from([("csv", ","), ("tsv", "\t")]), st.booleans(), ODD)
def test_cells_of_any_text_are_kept(
    table: tuple[list[str], list[list[str]]], format: tuple[str, str], mark: bool, token: str
) -> None:
    names, rows = table
    source = io.StringIO()
    writer = csv.writer(source, delimiter=format[1], quoting=csv.QUOTE_ALL)
    writer.writerows([names, *rows])
    path = Path("table.txt")
    with pytest.MonkeyPatch.context() as patch:
        content = (b"\xef\xbb\xbf" if mark else b"") + source.getvalue().encode("utf-8")
        patch.setattr("weft.tables.readers.opened", lambda _path: _Opened(content))
        read = read_table(str(path), format[0])
        assert read.columns == names
        result = written(format[0], read, [(0.5, 3, token), (None, None, None)])
    back = list(csv.reader(io.StringIO(result.decode("utf-8"), newline=""), delimiter=format[1], strict=True))
    new = [header.name for header in HEADERS]
    expected = [[*row, *scores] for row in rows for scores in (["0.500000", "3", token], ["NA", "NA", ""])]
    assert back == [[*names, *(f"weft_{name}" if name in names else name for name in new)], *expected]


class _Opened(io.BytesIO):
    """A file in memory."""


@given(tables())
def test_json_lines_are_kept(table: tuple[list[str], list[list[str]]]) -> None:
    names, rows = table
    rows = rows or [names]
    content = "".join(json.dumps(dict(zip(names, row, strict=True)) | {"n": 1.25, "l": [None]}) + "\n" for row in rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("weft.tables.readers.opened", lambda _path: _Opened(content.encode("utf-8")))
        result = written("jsonl", read_table("t.jsonl"), [(0.5, 3, "x"), (None, None, None)])
    back = [json.loads(line) for line in result.decode("utf-8").split("\n")[:-1]]
    expected: list[dict[str, Any]] = [
        dict(zip(names, row, strict=True)) | {"n": 1.25, "l": [None], "score": score, "count": count, "token": token}
        for row in rows
        for score, count, token in ((0.5, 3, "x"), (None, None, None))
    ]
    assert back == expected


def test_parquet_keeps_types(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame(
        {"text": ["a", None], "n": [1, 2], "f": [0.5, None], "d": pandas.to_datetime(["2020-01-02", None])}
    )
    frame.to_parquet(tmp_path / "t.parquet", index=False)
    result = written("parquet", read_table(str(tmp_path / "t.parquet")), [(0.5, 3, "x"), (None, None, None)])
    back = pandas.read_parquet(io.BytesIO(result))
    kept = frame.loc[[0, 0, 1, 1]].reset_index(drop=True)
    pandas.testing.assert_frame_equal(back[list(frame.columns)], kept)
    assert back["score"].isna().tolist() == [False, True, False, True]
    assert back["count"].tolist()[::2] == [3, 3]


def test_parquet_of_other_formats_infers_types(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    (tmp_path / "t.jsonl").write_text('{"a": 1, "b": null}\n' * 3000, "utf-8")
    result = written("parquet", read_table(str(tmp_path / "t.jsonl")), [(0.5, 3, "x")])
    back = pandas.read_parquet(io.BytesIO(result))
    assert (len(back), back["a"].sum(), back["b"].isna().all()) == (3000, 3000, True)
    (tmp_path / "t.jsonl").write_text('{"a": 1}\n{"a": "x"}\n', "utf-8")
    with pytest.raises(InputError, match="Parquet cannot hold the column 'a'"):
        written("parquet", read_table(str(tmp_path / "t.jsonl")), [(0.5, 3, "x")])


@pytest.mark.parametrize(
    ("name", "content", "columns", "format"),
    [
        ("t.csv", "a;b\n1,5;2\n", ["a", "b"], "csv"),
        ("t.csv", "\n\na,b\n1,2\n", ["a", "b"], "csv"),
        ("t.txt", "a\tb\n1\t2\n", ["a", "b"], "tsv"),
        ("t.txt", '{"a": 1, "b": 2}\n', ["a", "b"], "jsonl"),
        ("t.tsv.gz", "a\tb\n1\t2\n", ["a", "b"], "tsv"),
        ("t.csv", '"",b\r\n1,2\r\n', ["", "b"], "csv"),
    ],
)  # fmt: skip
def test_the_format_is_found(name: str, content: str, columns: list[str], format: str, tmp_path: Path) -> None:
    data = content.encode("utf-8")
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    table = read_table(str(tmp_path / name))
    assert (table.columns, table.format, len(list(table.rows))) == (columns, format, 1)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.csv", b"", "is empty"),
        ("t.csv", b"a,b\n1\n", "line 2 ends a row of 1 fields, and the header has 2"),
        ("t.csv", b'a,b\n1,"2\n', "line 2: unexpected end of data"),
        ("t.csv", b'a,b\n1,"2"x\n', "line 2"),
        ("t.csv", b"a,a\n1,2\n", "two columns 'a'"),
        ("t.csv", b"a,b\n1,\xe9\n", "is not UTF-8: line 2, byte 2"),
        ("t.csv", b"a\0b\n", "looks binary"),
        ("t.jsonl", b'{"a": 1}\n[1]\n', "line 2 should be a JSON object"),
        ("t.jsonl", b'{"a": 1}\n{"a": NaN}\n', "line 2 is not JSON: NaN"),
        ("t.jsonl", b"{}\n", "has no columns"),
        ("t.jsonl", b"[" * 100_000, "line 1 is not JSON"),
        ("t.parquet", b"PAR1", "is not a Parquet file"),
    ],
)  # fmt: skip
def test_odd_files_are_refused_in_one_line(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=said) as raised:
        list(read_table(str(tmp_path / name)).rows)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_missing(tmp_path: Path) -> None:
    for name in ("t.csv", "t.parquet"):
        with pytest.raises(MissingFileError):
            read_table(str(tmp_path / name))


def test_a_column_of_one_row_alone_is_refused_by_formats_with_a_header(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"a": 1}\n{"a": 1, "b": 2}\n', "utf-8")
    with pytest.raises(InputError, match="a column 'b', which the first row lacks"):
        written("csv", read_table(str(tmp_path / "t.jsonl")), [(0.5, 3, "x")])
    assert b'"b": 2, "score"' in written("jsonl", read_table(str(tmp_path / "t.jsonl")), [(0.5, 3, "x")])

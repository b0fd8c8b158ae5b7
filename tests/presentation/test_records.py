"""Rows, JSON and numbers for programs, read back by other readers."""

from __future__ import annotations

import csv
import io
import json
import math

import pytest

from weft.errors import InputError
from weft.presentation.records import decimal, json_text, tsv, tsv_row

FIELDS = ['"', 'say "hi"', "NA", "null", "", " a ", "'", "#", "\\", "1", "é", "='x'"]


def test_csv_reads_the_fields_that_were_written() -> None:
    table = tsv(["a", "b"], [[field, str(number)] for number, field in enumerate(FIELDS)])
    rows = list(csv.reader(io.StringIO(table, newline=""), delimiter="\t"))
    assert rows == [["a", "b"], *([field, str(number)] for number, field in enumerate(FIELDS))]
    written = io.StringIO(newline="")
    csv.writer(written, delimiter="\t", lineterminator="\n").writerows(rows)
    assert table == written.getvalue()


def test_pandas_reads_the_fields_that_were_written() -> None:
    pandas = pytest.importorskip("pandas")
    table = tsv(["a", "b"], [[field, str(number)] for number, field in enumerate(FIELDS)])
    frame = pandas.read_csv(io.StringIO(table), sep="\t", keep_default_na=False, dtype={"a": str})
    assert list(frame["a"]) == FIELDS
    assert list(frame["b"]) == list(range(len(FIELDS)))


def test_a_row_of_one_empty_field_is_not_a_blank_line() -> None:
    assert tsv_row([""]) == '""\n'
    assert list(csv.reader([tsv_row([""])], delimiter="\t")) == [[""]]


def test_a_row_is_one_line() -> None:
    assert tsv_row(["a\tb\nc\r\u2028\x85", "d"]) == "a\\tb\\nc\\r\\u2028\\x85\td\n"


@pytest.mark.parametrize(("number", "text"), [(-0.0, "0.00"), (-0.004, "0.00"), (-0.006, "-0.01"), (math.inf, "inf")])
def test_a_zero_has_no_sign(number: float, text: str) -> None:
    assert decimal(number, 2) == text
    if math.isfinite(number):
        assert json_text({"a": [-0.0, (-0.0,)]}) == '{"a": [0.0, [0.0]]}'


@pytest.mark.parametrize("text", ["é我👩‍👧", "\u2028\u2029\x85", "\x1b[31m\x9b", "\u202e", "\udcff", '"\\'])
def test_json_holds_any_text_on_one_line_that_is_utf8(text: str) -> None:
    shown = json_text(text)
    assert json.loads(shown.encode("utf-8")) == text
    assert shown.splitlines() == [shown]
    assert "\x1b" not in shown
    assert "\x9b" not in shown
    assert "\u202e" not in shown


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_json_has_no_number_that_is_not_finite(number: float) -> None:
    with pytest.raises(InputError, match="JSON holds finite numbers only"):
        json_text({"id": 1, "scores": [number]})

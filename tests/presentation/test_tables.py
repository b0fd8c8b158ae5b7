"""Tables at any width: numbers and tokens' log-probabilities stay whole, and no column is lost."""

from __future__ import annotations

import re

import pytest

from weft.presentation.tables import Column, Row, drawn

COLUMNS = [
    Column("position", numbers=True, label=True),
    Column("token", label=True),
    *(Column(f"number_{index}_bits", numbers=True) for index in range(6)),
    Column("alternatives_nats", indivisible=True),
]
LIKELIEST = "goodbye=-0.123456\nsay=-1.0"
ROWS = [
    Row(
        [
            str(row),
            word,
            *(f"{-1.5 * (row + 1) * (index + 1):.6f}" for index in range(6)),
            LIKELIEST,
        ]
    )
    for row, word in enumerate(["the", "incomprehensibilities", "一个很长的词"])
]


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.fixture(params=[40, 60, 80, 120, 200])
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("COLUMNS", str(request.param))
    monkeypatch.setenv("FORCE_COLOR", "1")
    return int(request.param)


def test_numbers_are_whole_at_every_width(width: int) -> None:
    from rich.cells import cell_len

    table = plain(drawn(COLUMNS, ROWS, "a title"))
    assert max(map(cell_len, table.splitlines())) <= width
    for row in ROWS:
        for number in row.fields[2:-1]:
            assert f" {number} " in table
    assert table.count("goodbye=-0.123456") == 3
    assert "…" not in table
    assert table.count("a title") == 1


def test_each_part_of_a_table_repeats_its_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("FORCE_COLOR", "1")
    table = plain(drawn(COLUMNS, ROWS))
    parts = table.count("┏")
    assert parts > 1
    assert table.count("the") == parts
    for index in range(6):
        assert len(re.findall(rf"number_{index}_", table)) == 1


def test_a_table_that_is_not_for_a_terminal_is_not_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    table = drawn(COLUMNS, ROWS)
    assert table.count("┏") == 1
    assert "number_5_bits" in table
    assert "incomprehensibilities" in table


def test_long_names_in_headers_are_broken_in_a_narrow_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("FORCE_COLOR", "1")
    columns = [Column("context", label=True), *(Column(f"/a/long/path/{'q' * 50}/run{n}", numbers=True) for n in "12")]
    table = plain(drawn(columns, [Row(["all", "123.45", "67.89"])]))
    assert max(map(len, table.splitlines())) <= 60
    assert "123.45" in table
    assert table.count("q") == 100


def test_controls_in_fields_and_headers_are_escaped() -> None:
    table = drawn([Column("a\x1b[31m")], [Row(["\x1b]0;title\x07\u202e"])], "t")
    assert "\\x1b[31m" in table
    assert "\\x1b]0;title\\x07\\u202e" in table
    assert "\x07" not in table

"""Rows are scored as they are read, in constant memory, and what users should know is counted."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pytest

from helpers.untrained import untrained
from weft.errors import InputError
from weft.tables.layouts import LayoutSettings
from weft.tables.regions import RegionMarks
from weft.tables.score_rows import TableScorer


def scorer(regions: str | None = None) -> TableScorer:
    marks = None if regions is None else RegionMarks.of(regions)
    return TableScorer("s", LayoutSettings(regions=marks is not None).chosen(), marks)


@pytest.mark.parametrize(("batch_size", "most"), [(1, 1), (4, 200)])
def test_rows_are_read_as_they_are_scored(batch_size: int, most: int) -> None:
    taken = 0

    def endless() -> Iterator[dict[str, str]]:
        nonlocal taken
        while True:
            taken += 1
            yield {"s": "you say hello"}

    lm = untrained("word")
    scored = scorer().scored(endless(), lambda texts: lm.score_lines(texts, batch_size))
    for _ in islice(scored, 300):
        pass
    assert taken < 300 + most + 1


def test_missing_texts_regions_and_crossing_tokens_are_counted() -> None:
    lm = untrained("word")
    rows = [{"s": text} for text in ("you [say].", "", "NA", None, "say hello", "y[ou] say", "[you] say")]
    made = scorer("brackets")
    found = [values for _, values in made.scored(rows, lm.score_lines)]
    assert [len(values) for values in found] == [1] * 7
    assert (made.missing, made.without_region, made.beyond) == (3, 1, 2)
    assert [note.rpartition(": ")[2] for note in made.notes()] == ["3", "1", "2"]
    assert found[5][0][4:] == (0, 0, None, None)  # no token begins in "ou"


def test_rows_before_an_error_are_scored() -> None:
    lm = untrained("word")
    scored = scorer("brackets").scored([{"s": "[say]"}, {"s": "[say"}], lm.score_lines)
    assert next(scored)[1][0][3] == "say"
    with pytest.raises(InputError, match="row 2: a bracket is not closed"):
        next(scored)

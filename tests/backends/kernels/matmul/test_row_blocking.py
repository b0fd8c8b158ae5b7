"""Rows of a product are cut into blocks that take as few cycles as any others would."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from weft.backends.kernels.matmul.row_blocking import MOST, cycles, next_heights

kernels = pytest.mark.parametrize(
    ("heights", "vectors"), [([1, 2, 3, 4, 5, 6], 2), ([1, 2, 3, 4, 5, 8, 10], 2), ([8, 5, 3, 2, 1], 1), ([1, 6], 4)]
)


def blocks(rows: int, heights: list[int], vectors: int) -> list[int]:
    """The rows as the table says, one block after another."""
    table, found = next_heights(heights, vectors), []
    while rows:
        found.append(int(table[min(rows, MOST)]))
        rows -= found[-1]
    return found


def every_way(rows: int, heights: list[int]) -> Iterator[list[int]]:
    """Every way to cut the rows, whatever the order."""
    if rows == 0:
        yield []
    for height in heights:
        if height <= rows:
            for rest in every_way(rows - height, [other for other in heights if other <= height]):
                yield [height, *rest]


@kernels
def test_no_other_blocks_take_less(heights: list[int], vectors: int) -> None:
    def total(found: list[int]) -> float:
        return sum(cycles(height, vectors) for height in found)

    for rows in range(1, 18):
        least = min(total(way) for way in every_way(rows, heights))
        assert total(blocks(rows, heights, vectors)) == pytest.approx(least)


@kernels
def test_any_number_of_rows_is_cut_into_blocks_there_are(heights: list[int], vectors: int) -> None:
    for rows in (0, 1, MOST - 1, MOST, MOST + 1, 700):
        found = blocks(rows, heights, vectors)
        assert sum(found) == rows
        assert set(found) <= set(heights)


def test_seven_rows_are_not_six_and_one_whose_sums_wait_for_one_another() -> None:
    assert blocks(7, [1, 2, 3, 4, 5, 6], 2) == [4, 3]

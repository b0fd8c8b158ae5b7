"""Rows are cut into the row blocks that take the fewest cycles."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from weft.backends.kernels.matmul.row_blocking import MAX_ROWS, block_cycles, next_row_blocks

kernels = pytest.mark.parametrize(
    ("row_blocks", "vectors"), [([1, 2, 3, 4, 5, 6], 2), ([1, 2, 3, 4, 5, 8, 10], 2), ([8, 5, 3, 2, 1], 1), ([1, 6], 4)]
)


def blocks(rows: int, row_blocks: list[int], vectors: int) -> list[int]:
    """The blocks that the table gives for a number of rows, in order."""
    table, found = next_row_blocks(row_blocks, vectors), []
    while rows:
        found.append(int(table[min(rows, MAX_ROWS)]))
        rows -= found[-1]
    return found


def every_partition(rows: int, row_blocks: list[int]) -> Iterator[list[int]]:
    """Every way to cut the rows into blocks, up to their order."""
    if rows == 0:
        yield []
    for block in row_blocks:
        if block <= rows:
            for rest in every_partition(rows - block, [other for other in row_blocks if other <= block]):
                yield [block, *rest]


@kernels
def test_no_other_partition_takes_fewer_cycles(row_blocks: list[int], vectors: int) -> None:
    def cycles(found: list[int]) -> float:
        return sum(block_cycles(rows, vectors) for rows in found)

    for rows in range(1, 18):
        fewest = min(cycles(partition) for partition in every_partition(rows, row_blocks))
        assert cycles(blocks(rows, row_blocks, vectors)) == pytest.approx(fewest)


@kernels
def test_any_number_of_rows_is_cut_into_compiled_blocks(row_blocks: list[int], vectors: int) -> None:
    for rows in (0, 1, MAX_ROWS - 1, MAX_ROWS, MAX_ROWS + 1, 700):
        found = blocks(rows, row_blocks, vectors)
        assert sum(found) == rows
        assert set(found) <= set(row_blocks)


def test_seven_rows_are_four_and_three_because_a_single_row_waits_for_its_own_sums() -> None:
    assert blocks(7, [1, 2, 3, 4, 5, 6], 2) == [4, 3]

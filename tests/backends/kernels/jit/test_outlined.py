"""Parts of kernels that are compiled by themselves: what they take, and what becomes of their errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from weft.backends.fused import why_not_fused

if why_not_fused() is not None:
    pytest.skip(f"no fused kernels: {why_not_fused()}", allow_module_level=True)

import numba

from weft.backends.kernels.jit.dtypes import PAIRS
from weft.backends.kernels.jit.outlined import FLAG, SIZE, floats, link, outlined, packed


@outlined(lambda words: [floats(2), packed(words, 1), SIZE, FLAG])
def add_to_first_column(total: Any, room: Any, count: Any, twice: Any) -> None:
    for k in range(count):
        total[k, 0] += room[k] + room[k] if twice else room[k]


@outlined(lambda words: [floats(2, "A")])
def refuse_ones(total: Any) -> None:
    if total[0, 0] == 1:
        raise ValueError("a one")


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]
def once(total: Any, room: Any) -> None:
    add_to_first_column(total, room, len(room), False)


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]
def twice(total: Any, room: Any) -> None:
    add_to_first_column(total, room, len(room), True)
    refuse_ones(total.T)


def test_kernels_share_a_part() -> None:
    total, room = np.zeros((3, 2), np.float32), np.arange(3, dtype=np.float32)
    room.flags.writeable = False
    once(total, room)
    twice(total, room)
    np.testing.assert_array_equal(total, [[0, 0], [3, 0], [6, 0]])


def test_a_part_has_a_version_for_words_of_pairs() -> None:
    link((add_to_first_column,), PAIRS)
    total = np.zeros((3, 2), np.float32)
    once(total, np.array([1, 2, 3], np.int32))
    np.testing.assert_array_equal(total[:, 0], [1, 2, 3])


def test_an_error_in_a_part_is_one_of_its_kernel() -> None:
    with pytest.raises(ValueError, match="a one"):
        twice(np.ones((3, 2), np.float32), np.zeros(3, np.float32))


@pytest.mark.parametrize(
    "total",
    [np.zeros((3, 4), np.float32)[:, ::2], np.zeros((3, 2)), np.zeros(3, np.float32)],
    ids=["rows that lie apart", "float64", "one dimension"],
)
def test_an_array_that_a_part_was_not_compiled_for_is_refused(total: Any) -> None:
    with pytest.raises(numba.core.errors.TypingError):
        once(total, np.zeros(3, np.float32))

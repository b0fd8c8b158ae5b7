"""Blocks for truncated back-propagation through time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.errors import InputError
from weft.text import Blocks, open_tokens, write_tokens


def test_two_streams_of_a_thousand_tokens_start_at_0_and_500() -> None:
    blocks = Blocks(np.arange(1000), batch_size=2, block_length=10)
    xs, ts = next(blocks)
    assert xs.tolist() == [list(range(10)), list(range(500, 510))]
    assert ts.tolist() == [list(range(1, 11)), list(range(501, 511))]
    xs, _ = next(blocks)
    assert xs.tolist() == [list(range(10, 20)), list(range(510, 520))]
    assert xs.dtype == ts.dtype == np.int64
    assert blocks.position == 20
    assert blocks.blocks_per_epoch == 50


@given(st.integers(1, 5), st.integers(1, 7), st.integers(0, 60), st.integers(0, 100), st.integers(1, 9))
def test_blocks_equal_indexing_token_by_token(streams: int, steps: int, extra: int, position: int, number: int) -> None:
    length = streams * steps + extra
    ids = [7 * n % 1009 for n in range(length)]
    blocks = Blocks(ids, streams, steps, position=position)
    for _ in range(number):
        xs, ts = next(blocks)
        for i in range(streams):
            for t in range(steps):
                index = (i * (length // streams) + position + t) % length
                assert xs[i, t] == ids[index]
                assert ts[i, t] == ids[(index + 1) % length]
        position += steps
    assert blocks.position == position


def test_starting_at_a_saved_position_continues_with_the_same_blocks() -> None:
    ids = np.arange(103)
    first = Blocks(ids, 3, 4)
    for _ in range(30):
        next(first)
    again = Blocks(ids, 3, 4, position=first.position)
    for _ in range(10):
        for resumed, expected in zip(next(again), next(first), strict=True):
            assert np.array_equal(resumed, expected)


def test_a_memory_map_gives_the_same_blocks(tmp_path: Path) -> None:
    ids = np.arange(200) % 90
    write_tokens(tmp_path / "ids", [ids], 90)
    for mapped, plain in zip(next(Blocks(open_tokens(tmp_path / "ids"), 3, 5)), next(Blocks(ids, 3, 5)), strict=True):
        assert np.array_equal(mapped, plain)
        assert type(mapped) is np.ndarray


def test_the_shortest_text_is_one_block_of_every_stream() -> None:
    assert Blocks([1] * 20, 4, 5).blocks_per_epoch == 1
    with pytest.raises(InputError, match=r"19 tokens, but 4 streams with a block of 5 .* 20.*--batch-size or --bptt"):
        Blocks([1] * 19, 4, 5)


@pytest.mark.parametrize(("batch_size", "block_length", "position"), [(0, 1, 0), (1, 0, 0), (1, 1, -1)])
def test_sizes_out_of_range_are_refused(batch_size: int, block_length: int, position: int) -> None:
    with pytest.raises(InputError, match="at least"):
        Blocks([1, 2, 3], batch_size, block_length, position)


@pytest.mark.parametrize("ids", [np.zeros(9), np.zeros((3, 3), dtype=int)])
def test_arrays_that_are_not_token_ids_are_refused(ids: np.ndarray) -> None:
    with pytest.raises(InputError, match="whole numbers in one dimension"):
        Blocks(ids, 1, 2)

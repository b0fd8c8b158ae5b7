"""Blocks of random length."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from weft.errors import InputError
from weft.text.random_blocks import RandomBlocks, mean_length


def lengths(blocks: RandomBlocks, number: int) -> list[int]:
    return [next(blocks)[0].shape[1] for _ in range(number)]


def test_every_stream_continues_where_its_last_block_ended() -> None:
    ids = np.arange(1000)
    blocks = RandomBlocks(ids, 2, 20, seed=1)
    position = 0
    for _ in range(80):
        xs, ts = next(blocks)
        steps = position + np.arange(xs.shape[1])
        assert xs.tolist() == [(steps % 1000).tolist(), ((500 + steps) % 1000).tolist()]
        assert ts.tolist() == [((steps + 1) % 1000).tolist(), ((501 + steps) % 1000).tolist()]
        position += xs.shape[1]
        assert blocks.position == position


def test_lengths_follow_the_distribution_of_the_paper() -> None:
    drawn = np.array(lengths(RandomBlocks(np.zeros(10**6, dtype=int), 1, 70, seed=1), 5000))
    short = drawn < 52
    assert abs(short.mean() - 0.05) < 0.01
    for part, mean in ((drawn[~short], 70), (drawn[short], 35)):
        assert part.mean() == pytest.approx(mean - 0.5, abs=4 * 5 / len(part) ** 0.5)  # whole tokens, rounded down
        assert part.std() == pytest.approx(5, abs=0.8)


@pytest.mark.parametrize("block_length", [1, 8, 35])
def test_an_epoch_has_the_mean_number_of_blocks_of_one_pass(block_length: int) -> None:
    blocks = RandomBlocks(np.zeros(10**6, dtype=int), 10, block_length, seed=2)
    drawn = lengths(blocks, 3000)
    assert min(drawn) >= 5
    assert np.mean(drawn) == pytest.approx(mean_length(block_length), rel=0.02)
    assert blocks.blocks_per_epoch == round(10**5 / mean_length(block_length))


def test_a_saved_position_is_enough_to_continue() -> None:
    ids = np.arange(5000)
    first = RandomBlocks(ids, 3, 20, seed=7)
    lengths(first, 30)
    again = RandomBlocks(ids, 3, 20, seed=7, position=first.position)
    for _ in range(20):
        for resumed, expected in zip(next(again), next(first), strict=True):
            assert np.array_equal(resumed, expected)


def test_another_seed_gives_other_lengths() -> None:
    ids = np.arange(5000)
    drawn = Counter(tuple(lengths(RandomBlocks(ids, 3, 20, seed=seed), 5)) for seed in range(20))
    assert max(drawn.values()) == 1


def test_a_text_too_short_is_refused() -> None:
    with pytest.raises(InputError, match="19 tokens, but 4 streams with a block of 5"):
        RandomBlocks([1] * 19, 4, 5, seed=1)

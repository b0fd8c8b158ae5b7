"""The log-probability of every token of separate lines, each read from a fresh start, many lines at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.backends import backend_of
from weft.errors import InputError
from weft.model import RNNLM


def score_lines(
    model: RNNLM, lines: Iterable[Sequence[int]], first_id: int, batch_size: int = 32, block_length: int = 64
) -> Iterator[NDArray[Any]]:
    """ln P(token | the line before it) in nats: for each line of token ids an array of as many numbers, in order.

    Every line is read after the token `first_id` from the zero state; an empty line gives an empty array. Lines are
    taken `batch_size` at a time, so memory does not grow with their number. Raises InputError for sizes below 1.
    """
    if batch_size < 1 or block_length < 1:
        raise InputError(f"batch size and block length must be at least 1, got {batch_size} and {block_length}")
    rest = iter(lines)
    while batch := [np.asarray(line, dtype=np.int64) for line in islice(rest, batch_size)]:
        yield from _score_batch(model, batch, first_id, block_length)


def _score_batch(model: RNNLM, lines: list[NDArray[Any]], first_id: int, block_length: int) -> list[NDArray[Any]]:
    lengths = np.array([len(line) for line in lines])
    order = np.argsort(-lengths, kind="stable")
    longest = int(lengths.max())
    targets = np.full((len(lines), longest), -1)
    for row, line in enumerate(order):
        targets[row, : lengths[line]] = lines[line]
    inputs = np.concatenate((np.full((len(lines), 1), first_id), np.maximum(targets[:, :-1], 0)), axis=1)[:, :longest]
    nats = np.zeros(targets.shape)
    state = model.zero_state(len(lines))
    for start in range(0, longest, block_length):
        block = slice(start, start + block_length)
        active = int((lengths > start).sum())  # the longest lines come first, so those that are over end the batch
        state = tuple(tuple(part[:active] for part in layer_state) for layer_state in state)
        values, state = model.log_probabilities(inputs[:active, block], targets[:active, block], state)
        nats[:active, block] = backend_of(values).to_numpy(values)
    scores: list[NDArray[Any]] = [nats[0, :0]] * len(lines)
    for row, line in enumerate(order):
        scores[line] = nats[row, : lengths[line]]
    return scores

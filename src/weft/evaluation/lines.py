"""Reads separate lines, each from a fresh start, many in parallel.

Lines are collected in windows of several batches and sorted by length within a window, so that the lines of a batch
have nearly the same length and little padding is read. The first window is one batch and each next one has twice as
many, up to WINDOW_BATCHES: the first results are available early, and memory is bounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.backends import ids_of_text
from weft.errors import InputError
from weft.evaluation.readers import Reader

WINDOW_BATCHES = 32
"""Most batches in a window."""

WINDOW_TOKENS = 1 << 16
"""Tokens at which a window is full, whatever its number of lines."""

Ids = NDArray[Any]
Numbers = NDArray[Any]


def read_separate_lines(
    reader: Reader, lines: Iterable[Sequence[int]], first_id: int, batch_size: int = 32, block_length: int = 64
) -> Iterator[Numbers]:
    """For each line of token ids the reader's numbers, (tokens, K), in the order of the lines.

    Every line is read after the token `first_id` from the zero state; an empty line yields an empty array. With
    `batch_size` 1 the numbers of a line are yielded before the next line is read. Raises InputError for sizes below 1
    and for ids that are not integers in [0, V).
    """
    if batch_size < 1 or block_length < 1:
        raise InputError(f"batch size and block length must be at least 1, got {batch_size} and {block_length}")
    rest = iter(lines)
    batches = 1
    while window := _window(rest, batches * batch_size, reader.model.vocab_size):
        order = sorted(range(len(window)), key=lambda line: -len(window[line]))
        results: list[Numbers] = [np.empty((0, reader.width))] * len(window)
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            batch = _read_batch(reader, [window[line] for line in chosen], first_id, block_length)
            for line, numbers in zip(chosen, batch, strict=True):
                results[line] = numbers
        yield from results
        if batch_size > 1:
            batches = min(2 * batches, WINDOW_BATCHES)


def _window(rest: Iterator[Sequence[int]], size: int, vocab_size: int) -> list[Ids]:
    window: list[Ids] = []
    tokens = 0
    for line in rest:
        window.append(ids_of_text(line, vocab_size))
        tokens += len(line)
        if len(window) >= size or tokens >= WINDOW_TOKENS:
            break
    return window


def _read_batch(reader: Reader, lines: list[Ids], first_id: int, block_length: int) -> list[Numbers]:
    """The numbers of each line; the lines are sorted by length, the longest first."""
    lengths = np.array([len(line) for line in lines])
    parts: list[list[Numbers]] = [[np.empty((0, reader.width))] for _line in lines]
    state = reader.model.zero_state(len(lines))
    last = np.full(len(lines), first_id)
    for start in range(0, int(lengths[0]), block_length):
        active = int((lengths > start).sum())  # the batch is sorted: finished lines are at its end
        state = tuple(tuple(part[:active] for part in layer_state) for layer_state in state)
        targets = np.full((active, min(block_length, int(lengths[0]) - start)), -1)
        for row, line in enumerate(lines[:active]):
            piece = line[start : start + block_length]
            targets[row, : len(piece)] = piece
        inputs = np.concatenate((last[:active, None], np.maximum(targets[:, :-1], 0)), axis=1)
        last = targets[:, -1]
        numbers, state = reader.read(inputs, targets, state)
        for row in range(active):
            parts[row].append(numbers[row, : lengths[row] - start])
    return [np.concatenate(part) for part in parts]

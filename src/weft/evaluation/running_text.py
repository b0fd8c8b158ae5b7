"""What reading a running text says about every token, exactly, with many streams at once.

A running text is one chain: the state after each token is the state before the next, so cutting it into N streams would
change what the first tokens of every stream are predicted from. Here the cut is mended:

1. The text is cut into N segments, read side by side; the first from the true state, the others from a guess: the
   state after the first block of the text and the last WARM_UP_TOKENS before the segment. The first block leads to a
   state that text leads to, where some cells never come back from zeros; of the others only the states are worked out,
   which costs little where the vocabulary is large.
2. Each other segment that did not begin with the state that the segment before it ended in, within rounding, is read
   again from there, block by block, until its state meets the one of the first reading. From there on both readings
   are the same, and it stops.
3. A segment whose end has changed sends the next one back to 2, until none has.

A recurrent state forgets a wrong beginning after some tens to hundreds of tokens, so nearly all of the text is read
once, N tokens at a time. One that never forgets is read N times: slower, and still exact. The number depends neither on
N nor on the block length.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.backends import backend_of
from weft.errors import InputError
from weft.evaluation.readers import LogProbabilities, Reader
from weft.model import RNNLM, ModelState

SEGMENT_TOKENS = 8192
"""Tokens of a segment: long beside what a state remembers, short enough to keep every block's state at hand."""

WARM_UP_TOKENS = 512
"""Tokens after which most states have forgotten, to within rounding, what they began from."""

Ids = NDArray[Any]
Numbers = NDArray[Any]


def running_text(
    model: RNNLM, chunks: Iterable[Ids], first_id: int, streams: int = 1, block_length: int = 64
) -> Iterator[Numbers]:
    """ln P(token | everything before) in nats of every token of a text, in order; see `read_running_text`."""
    for numbers in read_running_text(LogProbabilities(model), chunks, first_id, streams, block_length):
        yield numbers[:, 0]


def read_running_text(
    reader: Reader, chunks: Iterable[Ids], first_id: int, streams: int = 1, block_length: int = 64
) -> Iterator[Numbers]:
    """The reader's numbers of every token of a text, in order.

    `chunks`: the text's token ids, 1-D arrays of any lengths; together they are one text, read after the token
    `first_id` and from the zero state. Yields arrays (some tokens, K) that together have one row a token. Memory does
    not grow with the text. With one stream each chunk is answered before the next is taken. Raises InputError unless
    `streams` and `block_length` are at least 1.
    """
    if streams < 1 or block_length < 1:
        raise InputError(f"streams and block length must be at least 1, got {streams} and {block_length}")
    state, last_id = reader.model.zero_state(1), first_id
    for targets in _cut(chunks) if streams == 1 else _rechunk(chunks, streams * SEGMENT_TOKENS):
        inputs = np.concatenate(([last_id], targets[:-1]))
        count = min(streams, max(1, len(targets) // (2 * block_length)))
        length = len(targets) // count
        cut = count * length
        segments = _Segments(reader, inputs[:cut].reshape(count, -1), targets[:cut].reshape(count, -1), block_length)
        state = segments.read(state)
        yield segments.numbers.reshape(-1, reader.width)
        if cut < len(targets):
            numbers, state = reader.read(inputs[None, cut:], targets[None, cut:], state)
            yield numbers[0]
        last_id = int(targets[-1])


class _Segments:
    """Segments of one text, (N, S) inputs and targets, that are read side by side and then mended."""

    def __init__(self, reader: Reader, inputs: Ids, targets: Ids, block_length: int) -> None:
        self.reader, self.model, self.inputs, self.targets = reader, reader.model, inputs, targets
        self.blocks = [slice(t, t + block_length) for t in range(0, inputs.shape[1], block_length)]
        self.numbers: Numbers = np.zeros((*inputs.shape, reader.width))
        self.starts: list[Any] = []  # what every segment was read from: the parts of the state, each (N, H)
        self.states: list[list[Any]] = []  # the same after every block

    def read(self, state: ModelState) -> ModelState:
        """Fill `numbers`, the first segment starting from `state` of one stream; the state after the last segment."""
        N = self.inputs.shape[0]
        self.rounding = _rounding(state)
        everything = np.arange(N)
        parts = _parts(state)
        if N > 1:
            guess = self._pass_block(everything[:1], self.blocks[0], parts)
            warm = [np.repeat(part, N - 1, axis=0) for part in guess]
            for block in self.blocks[-max(1, WARM_UP_TOKENS // self.blocks[0].stop) :]:
                warm = self._pass_block(everything[:-1], block, warm)
            parts = [np.concatenate(pair) for pair in zip(parts, warm, strict=True)]
        self.starts = parts
        for block in self.blocks:
            parts = self._read_block(everything, block, parts)
            self.states.append(parts)
        stale = everything[1:]
        while stale.size:
            changed = self._mend(stale)
            stale = changed[changed < N - 1] + 1
        return self._model_state([part[-1:] for part in self.states[-1]])

    def _mend(self, rows: Ids) -> Ids:
        """Read the segments `rows` again from the ends of those before; returns those whose own end has changed."""
        parts = [part[rows - 1] for part in self.states[-1]]
        apart = ~_same([part[rows] for part in self.starts], parts, self.rounding)
        rows, parts = rows[apart], [part[apart] for part in parts]
        for start, mended in zip(self.starts, parts, strict=True):
            start[rows] = mended
        for number, block in enumerate(self.blocks):
            if not rows.size:
                break
            parts = self._read_block(rows, block, parts)
            before = [part[rows] for part in self.states[number]]
            for part, mended in zip(self.states[number], parts, strict=True):
                part[rows] = mended
            apart = ~_same(before, parts, self.rounding)
            rows, parts = rows[apart], [part[apart] for part in parts]
        return rows

    def _read_block(self, rows: Ids, block: slice, parts: list[Any]) -> list[Any]:
        numbers, state = self.reader.read(self.inputs[rows, block], self.targets[rows, block], self._model_state(parts))
        self.numbers[rows, block] = numbers
        return _parts(state)

    def _pass_block(self, rows: Ids, block: slice, parts: list[Any]) -> list[Any]:
        """The states after a block of which nothing else is wanted."""
        _hs, state = self.model.hidden_states(self.inputs[rows, block], self._model_state(parts))
        return _parts(state)

    def _model_state(self, parts: list[Any]) -> ModelState:
        backend = self.model.embedding.backend
        arrays = iter([backend.asarray(part) for part in parts])
        return tuple(tuple(next(arrays) for _ in layer.cell.state_names) for layer in self.model.recurrent)


def _cut(chunks: Iterable[Ids]) -> Iterator[Ids]:
    """The same tokens as they come, long chunks cut to SEGMENT_TOKENS."""
    for chunk in chunks:
        for start in range(0, len(chunk), SEGMENT_TOKENS):
            yield np.asarray(chunk[start : start + SEGMENT_TOKENS], dtype=np.int64)


def _rechunk(chunks: Iterable[Ids], size: int) -> Iterator[Ids]:
    """The same tokens in arrays of `size`, the last one shorter."""
    held: list[Ids] = []
    count = 0
    for chunk in chunks:
        for start in range(0, len(chunk), size):
            piece = np.asarray(chunk[start : start + size], dtype=np.int64)
            held.append(piece)
            count += len(piece)
            if count >= size:
                tokens = np.concatenate(held)
                yield tokens[:size]
                held, count = [tokens[size:]], count - size
    if count:
        yield np.concatenate(held)


def _rounding(state: ModelState) -> float:
    return max(backend_of(part).rounding(part.dtype) for layer_state in state for part in layer_state)


def _same(before: list[Any], after: list[Any], rounding: float) -> NDArray[np.bool_]:
    """Which rows of two states are equal within rounding."""
    same = np.ones(len(before[0]), dtype=np.bool_)
    for a, b in zip(before, after, strict=True):
        same &= (np.abs(a - b) <= rounding * np.maximum(1, np.abs(b))).all(axis=1)
    return same


def _parts(state: ModelState) -> list[Any]:
    return [_numpy(part) for layer_state in state for part in layer_state]


def _numpy(array: Any) -> NDArray[Any]:
    return backend_of(array).to_numpy(array)

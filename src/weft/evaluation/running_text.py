"""Reads a running text in N parallel streams, with the result of one stream.

In a running text the state after each token is the state before the next one, so cutting it into N streams would change
the context of the first tokens of every stream. The following algorithm corrects this:

1. The text is cut into N segments, which are read in parallel: the first from the true state, the others from an
   estimate, the state after the first block of the text followed by the last WARM_UP_TOKENS before the segment. The
   first block gives a state that text can lead to; some cells never recover from the zero state. The warm-up computes
   states only, which costs little where the vocabulary is large.
2. A segment whose initial state differs from the final state of the segment before it, by more than rounding, is read
   again from that final state, block by block, until its state agrees with that of the first reading. From there on
   the two readings are equal, so the second one stops.
3. Step 2 is repeated for the segments after those whose final state has changed, until none has.

A recurrent state forgets its initial value after tens to hundreds of tokens, so nearly all of the text is read once, N
tokens at a time. With a state that never forgets, segments are read up to N times: slower, and still exact. The numbers
depend neither on N nor on the block length.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.backends import backend_of, ids_of_text
from weft.errors import InputError
from weft.evaluation.readers import LogProbabilities, Reader
from weft.model import RNNLM, ModelState

SEGMENT_TOKENS = 8192
"""Tokens of a segment: many more than a state remembers, few enough to keep the state after every block in memory."""

WARM_UP_TOKENS = 512
"""Tokens after which most states no longer depend on their initial value, within rounding."""

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

    chunks: the text's token ids, 1-D arrays of any lengths; together they are one text, read after the token `first_id`
    and from the zero state. Yields arrays (tokens, K) that together have one row for each token. Memory does not grow
    with the text. With one stream the numbers of a chunk are yielded before the next chunk is read. Raises InputError
    unless `streams` and `block_length` are at least 1, and for ids that are not integers in [0, V).
    """
    if streams < 1 or block_length < 1:
        raise InputError(f"streams and block length must be at least 1, got {streams} and {block_length}")
    state, last_id = reader.model.zero_state(1), first_id
    V = reader.model.vocab_size
    for targets in _cut(chunks, V) if streams == 1 else _rechunk(chunks, V, streams * SEGMENT_TOKENS):
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
    """Segments of one text, inputs and targets (N, S), read in parallel and then corrected."""

    def __init__(self, reader: Reader, inputs: Ids, targets: Ids, block_length: int) -> None:
        self.reader, self.model, self.inputs, self.targets = reader, reader.model, inputs, targets
        self.blocks = [slice(t, t + block_length) for t in range(0, inputs.shape[1], block_length)]
        self.numbers: Numbers = np.zeros((*inputs.shape, reader.width))
        self.starts: list[Any] = []  # initial states of the segments: the parts of the state, each (N, H)
        self.states: list[list[Any]] = []  # the states after every block

    def read(self, state: ModelState) -> ModelState:
        """Fill `numbers` from `state` (one stream), the state before the first segment; returns that after the last."""
        N = self.inputs.shape[0]
        self.rounding = _rounding(state)
        all_rows = np.arange(N)
        parts = _parts(state)
        if N > 1:
            estimate = self._advance(all_rows[:1], self.blocks[0], parts)
            warm = [np.repeat(part, N - 1, axis=0) for part in estimate]
            for block in self.blocks[-max(1, WARM_UP_TOKENS // self.blocks[0].stop) :]:
                warm = self._advance(all_rows[:-1], block, warm)
            parts = [np.concatenate(pair) for pair in zip(parts, warm, strict=True)]
        self.starts = parts
        for block in self.blocks:
            parts = self._read_block(all_rows, block, parts)
            self.states.append(parts)
        stale = all_rows[1:]
        while stale.size:
            changed = self._correct(stale)
            stale = changed[changed < N - 1] + 1
        return self._model_state([part[-1:] for part in self.states[-1]])

    def _correct(self, rows: Ids) -> Ids:
        """Read the segments `rows` again from the final states before them; returns those whose own has changed."""
        parts = [part[rows - 1] for part in self.states[-1]]
        differs = ~_same([part[rows] for part in self.starts], parts, self.rounding)
        rows, parts = rows[differs], [part[differs] for part in parts]
        for start, corrected in zip(self.starts, parts, strict=True):
            start[rows] = corrected
        for number, block in enumerate(self.blocks):
            if not rows.size:
                break
            parts = self._read_block(rows, block, parts)
            before = [part[rows] for part in self.states[number]]
            for part, corrected in zip(self.states[number], parts, strict=True):
                part[rows] = corrected
            differs = ~_same(before, parts, self.rounding)
            rows, parts = rows[differs], [part[differs] for part in parts]
        return rows

    def _read_block(self, rows: Ids, block: slice, parts: list[Any]) -> list[Any]:
        numbers, state = self.reader.read(self.inputs[rows, block], self.targets[rows, block], self._model_state(parts))
        self.numbers[rows, block] = numbers
        return _parts(state)

    def _advance(self, rows: Ids, block: slice, parts: list[Any]) -> list[Any]:
        """The states after a block, without the numbers of its targets."""
        _hs, state = self.model.hidden_states(self.inputs[rows, block], self._model_state(parts))
        return _parts(state)

    def _model_state(self, parts: list[Any]) -> ModelState:
        backend = self.model.embedding.backend
        arrays = iter([backend.asarray(part) for part in parts])
        return tuple(tuple(next(arrays) for _ in layer.cell.state_names) for layer in self.model.recurrent)


def _cut(chunks: Iterable[Ids], vocab_size: int) -> Iterator[Ids]:
    """The same chunks, checked, the long ones cut to SEGMENT_TOKENS."""
    for chunk in chunks:
        for start in range(0, len(chunk), SEGMENT_TOKENS):
            yield ids_of_text(chunk[start : start + SEGMENT_TOKENS], vocab_size)


def _rechunk(chunks: Iterable[Ids], vocab_size: int, size: int) -> Iterator[Ids]:
    """The same tokens, checked, in arrays of `size`, the last one shorter."""
    parts: list[Ids] = []
    count = 0
    for chunk in chunks:
        for start in range(0, len(chunk), size):
            piece = ids_of_text(chunk[start : start + size], vocab_size)
            parts.append(piece)
            count += len(piece)
            if count >= size:
                tokens = np.concatenate(parts)
                yield tokens[:size]
                parts, count = [tokens[size:]], count - size
    if count:
        yield np.concatenate(parts)


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

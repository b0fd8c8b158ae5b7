"""Mini-batches for truncated back-propagation through time.

A text of L tokens is read as N parallel streams. Stream i starts at token i * (L // N), and block k reads

    xs[i, t] = ids[(i * (L // N) + k * T + t) mod L]        ts[i, t] = ids[(i * (L // N) + k * T + t + 1) mod L]

for t = 0 ... T - 1. Every stream continues where its last block ended and wraps round at the end of the text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from weft.errors import InputError
from weft.text.tokens import TokenFile, TokenIds


class Blocks(Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]):
    """An endless iterator of blocks `(xs, ts)`: tokens and next tokens, each an int64 array of shape (N, T).

    ids           token ids, shape (L,); of a `TokenFile`, only those that a block needs are read
    batch_size    N, the number of streams
    block_length  T, the time steps in a block
    position      tokens of every stream already read; the `position` of another `Blocks` continues from there

    Raises InputError if L < N * T, if `ids` is not a 1-D array of whole numbers, or if a number is out of range.
    """

    def __init__(self, ids: TokenIds | Sequence[int], batch_size: int, block_length: int, position: int = 0) -> None:
        self._ids = ids if isinstance(ids, TokenFile) else np.asarray(ids)
        if batch_size < 1 or block_length < 1:
            raise InputError(f"batch size and block length must be at least 1, got {batch_size} and {block_length}")
        if position < 0:
            raise InputError(f"the position in the text must be at least 0, got {position}")
        length, needed = self._ids.size, batch_size * block_length
        if length < needed:
            raise InputError(
                f"the text has {length:,} tokens, but {batch_size} streams with a block of {block_length} tokens need "
                f"at least {needed:,}: lower --batch-size or --bptt, or give more text"
            )
        if self._ids.ndim != 1 or not np.issubdtype(self._ids.dtype, np.integer):
            raise InputError(
                f"token ids must be whole numbers in one dimension, got {self._ids.dtype} of shape {self._ids.shape}"
            )
        self.position = position
        self.blocks_per_epoch = max(1, length // needed)
        self._starts = np.arange(batch_size, dtype=np.int64)[:, None] * (length // batch_size)
        self._block_length = block_length

    def __next__(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        length = self._ids.size
        steps = np.arange(self._length_at(self.position) + 1, dtype=np.int64)
        read = self._ids[(self._starts + (self.position + steps)) % length]
        self.position += steps.size - 1
        return read[:, :-1].astype(np.int64), read[:, 1:].astype(np.int64)

    def _length_at(self, position: int) -> int:
        """The number of time steps in the block that begins at `position`."""
        return self._block_length

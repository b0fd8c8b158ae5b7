"""The words that factors of a product consist of: float32, or pairs of bfloat16 numbers, two neighbouring k.

Which of both a factor is made of is known from the type of the room for it when a kernel is compiled, so that what
multiplies is written once. Where the processor multiplies pairs in matrix tiles, they come in groups of sixteen, with
zeros behind the last.
"""

from __future__ import annotations

from typing import Any

from numba import types

from weft.backends.kernels.jit.compile import inlined, overload
from weft.backends.kernels.jit.cpu_features import has_amx
from weft.backends.kernels.jit.dtypes import PAIRS
from weft.backends.kernels.jit.pointers import offset, pointer_to
from weft.backends.kernels.matmul.simd_packing import DEPTH, SIDE, copy_some

NUMBERS, WORDS = (DEPTH, SIDE) if has_amx() else (2, 1)
"""The numbers of a group of pairs, and its words."""


def packed_words(K: int, kind: Any) -> int:
    """Words that hold K numbers, one after the other."""
    return -(-K // NUMBERS) * WORDS if kind == PAIRS else K


def row_stride(columns: Any) -> Any:
    """Words from one row to the next: an odd number of cache lines, so that rows do not all lie in the same sets."""
    return ((columns + SIDE - 1) // SIDE | 1) * SIDE


distance_of = inlined(row_stride)


def word_count(K: Any, room: Any) -> Any:
    """What `packed_words` says, for the words of a room."""


@overload(word_count)
def _word_count(K: Any, room: Any) -> Any:
    def floats(K: Any, room: Any) -> Any:
        return K

    def pairs(K: Any, room: Any) -> Any:
        return (K + NUMBERS - 1) // NUMBERS * WORDS

    return floats if room.dtype == types.float32 else pairs


@inlined
def with_zeros(source: Any, count: Any, edge: Any) -> Any:
    """The source's address where it has all that `edge` has room for, else that of `edge`: `count` numbers, zeros."""
    if count >= edge.size:
        return source
    for j in range(0, edge.size, SIDE):
        copy_some(offset(source, j), pointer_to(edge, j), count - j)
    return pointer_to(edge, 0)

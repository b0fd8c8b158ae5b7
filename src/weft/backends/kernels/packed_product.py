"""Products of matrices as they lie: the right factor is packed into panels, some columns at a time."""

from __future__ import annotations

from typing import Any

from weft.backends.kernels.compiling import compiled
from weft.backends.kernels.micro_kernel import pointer_to
from weft.backends.kernels.panel_product import multiply
from weft.backends.kernels.panels import (
    PANEL,
    left,
    left_transposed,
    pack,
    pack_transposed,
    panels_in,
    word_count,
    words_of,
)

NEAR_WORDS = 50_000
"""About how many words of packed panels are at hand at a time."""


def right_room(K: int, kind: Any) -> int:
    """Words of room that `multiply_rows` needs for right factors of K rows or fewer."""
    return max(NEAR_WORDS, words_of(K, kind) * PANEL)


@compiled
def multiply_rows(
    A: Any, A_transposed: Any, K: Any, B: Any, B_transposed: Any, C: Any, fresh: Any, left_words: Any, right_words: Any
) -> None:  # fmt: skip
    """C = A B, or C += A B where not fresh; A (M, K) or B (K, N) is given by its transpose where so said.

    left_words, right_words: room for A, and for the columns of B that are packed and used at a time.
    """
    M, N = C.shape
    if N == 0:
        return
    a, a_row, b_row, c_row = pointer_to(A, 0), A.strides[0] // 4, B.strides[0] // 4, C.strides[0] // 4
    factor = left_transposed(a, a_row, M, K, left_words) if A_transposed else left(a, a_row, M, K, left_words)
    width = columns_at_once(K, N, right_words)
    for first in range(0, N, width):
        n = min(width, N - first)
        some = panels_in(right_words, K, n)
        if B_transposed:
            pack_transposed(pointer_to(B, first * b_row), b_row, K, n, some)
        else:
            pack(pointer_to(B, first), b_row, K, n, some)
        multiply(factor, M, K, some, n, pointer_to(C, first), c_row, fresh)


@compiled
def columns_at_once(K: Any, N: Any, right_words: Any) -> Any:
    """How many columns of a right factor (K, N) are packed and multiplied with before the next: they stay near."""
    panels = max(1, NEAR_WORDS // (word_count(K, right_words) * PANEL))
    return min(panels * PANEL, (N + PANEL - 1) // PANEL * PANEL)

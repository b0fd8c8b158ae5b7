"""The n-grams of a text and their counts, in sorted arrays.

An n-gram is its prefix, the (n-1)-gram without the last word, and the last word. The n-grams of all orders form a trie,
in which each is one integer: index of the prefix * (V + 1) + last word. The word V is `<s>`, the start of a line.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from weft.errors import InputError

HIGHEST_ORDER = 5

Ints = NDArray[np.int64]


class NGramCounts(NamedTuple):
    """The M different n-grams of one order.

    keys      (M,) sorted: index of the prefix among the (n-1)-grams * (V + 1) + last word; for n = 1 the word itself
    counts    (M,) adjusted counts; 0 only for a word that does not occur, and for `<s>`
    suffixes  (M,) index of the n-gram without its first word among the (n-1)-grams; for n = 1 zeros
    """

    keys: Ints
    counts: Ints
    suffixes: Ints


def count_ngrams(ids: NDArray[Any], vocab_size: int, eos_id: int, order: int) -> list[NGramCounts]:
    """The n-grams of orders 1 to `order`, each line read as `<s> w_1 ... w_m <eos>`, with their adjusted counts.

    ids: the text's tokens (L,), an `eos_id` at every line end. The adjusted count (Kneser & Ney 1995) of an n-gram of
    the highest order, or one that begins with `<s>`, is its number of occurrences; of any other, the number of
    different words that occur before it. Orders above the length of the longest line are left out.

    Raises InputError for an empty text, ids outside [0, vocab_size), and an order outside 1 to 5.
    """
    if not 1 <= order <= HIGHEST_ORDER:
        raise InputError(f"the order of an n-gram model must be from 1 to {HIGHEST_ORDER}, got {order}")
    text, places = _with_line_starts(checked_ids(ids, vocab_size), vocab_size, eos_id)
    found = [_words(text, vocab_size)]
    begins_a_line = [np.arange(vocab_size + 1) == vocab_size]
    indices = text
    for n in range(2, order + 1):
        ends = np.flatnonzero(places >= n - 1)
        if not ends.size:
            break
        all_keys = indices[ends - 1] * (vocab_size + 1) + text[ends]
        keys, inverse, counts = np.unique(all_keys, return_inverse=True, return_counts=True)
        suffixes = np.empty(len(keys), dtype=np.int64)
        suffixes[inverse] = indices[ends]
        found.append(NGramCounts(keys, counts, suffixes))
        begins_a_line.append(begins_a_line[-1][keys // (vocab_size + 1)])
        indices = np.full(len(text), -1)
        indices[ends] = inverse
    return [
        lower._replace(counts=np.where(begins, lower.counts, np.bincount(higher.suffixes, minlength=len(begins))))
        for lower, higher, begins in zip(found, found[1:], begins_a_line, strict=False)
    ] + found[-1:]


def checked_ids(ids: NDArray[Any], vocab_size: int) -> Ints:
    """`ids` as 64-bit integers; raises InputError unless they are one-dimensional, not empty and all in [0, V)."""
    ids = np.asarray(ids)
    if ids.ndim != 1 or not ids.size or ids.dtype.kind not in "iu":
        raise InputError(f"expected the token ids of a text, (L,) whole numbers, got {ids.shape} of {ids.dtype}")
    if ids.min() < 0 or ids.max() >= vocab_size:
        raise InputError(f"token ids must lie in [0, {vocab_size}), got {ids.min()} to {ids.max()}")
    return ids.astype(np.int64)


def _with_line_starts(ids: Ints, start_id: int, eos_id: int) -> tuple[Ints, Ints]:
    """The text with a `<s>` before every line, and the position of every token in its line, `<s>` at 0."""
    lines = np.concatenate(([0], np.flatnonzero(ids[:-1] == eos_id) + 1))
    text = np.insert(ids, lines, start_id)
    starts = lines + np.arange(len(lines))
    lengths = np.diff(starts, append=len(text))
    return text, np.arange(len(text)) - np.repeat(starts, lengths)


def _words(text: Ints, start_id: int) -> NGramCounts:
    counts = np.bincount(text, minlength=start_id + 1)
    counts[start_id] = 0
    return NGramCounts(np.arange(start_id + 1), counts, np.zeros(start_id + 1, dtype=np.int64))

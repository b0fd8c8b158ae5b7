"""Vocabularies with `<unk>`: the most frequent types of a training text. Ids 0 and 1 are `<unk>` and `<eos>`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from weft.errors import InputError
from weft.text.tokenizers.base import EOS, UNK


def most_frequent(counts: Mapping[str, int], vocab_size: int | None, min_count: int) -> list[tuple[str, int]]:
    """The `vocab_size` - 2 most frequent types and their counts, by descending count, then by code points.

    Types seen less than `min_count` times are left out. None as `vocab_size`: no limit.
    """
    ranked = sorted(
        ((token, count) for token, count in counts.items() if count >= min_count), key=lambda item: (-item[1], item[0])
    )
    return ranked if vocab_size is None else ranked[: vocab_size - 2]


def check_vocab_size(vocab_size: int | None, special: Sequence[str] = (UNK, EOS)) -> None:
    """Raise InputError if `vocab_size` leaves room for the special tokens only."""
    smallest = len(special) + 1
    if vocab_size is not None and vocab_size < smallest:
        named = ", ".join(token if token.strip() else repr(token) for token in special)
        raise InputError(f"vocab_size must be at least {smallest} ({named} and one more), got {vocab_size}")


def check_vocabulary(tokens: Sequence[str], special: Sequence[str] = (UNK, EOS)) -> None:
    """Raise ValueError unless `tokens` are distinct and begin with the special tokens."""
    if tuple(tokens[: len(special)]) != tuple(special):
        raise ValueError(f"the tokens do not begin with {' and '.join(special)}")
    if len(set(tokens)) != len(tokens):
        raise ValueError("a token is listed twice")

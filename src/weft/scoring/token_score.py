"""TokenScore: one token of a text, and what it cost the model."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class TokenScore:
    """One token of a line of text and its score, in nats (1 bit = ln 2 nats)."""

    sentence: int
    """0-based line number."""
    position: int
    """0-based index of the token in its line."""
    token: str
    """The vocabulary's token, as weft writes it (`<eos>` for the line end)."""
    text: str
    """As written in the line; empty for the line end."""
    start: int
    end: int
    """Character offsets into the line: text == line[start:end]."""
    logprob_nats: float
    entropy_nats: float | None
    """Of the predicted distribution."""
    rank: int | None
    """1 for the likeliest."""
    oov: bool
    """Whether the token stands for a word outside the vocabulary."""
    alternatives: tuple[tuple[str, float], ...] = ()
    """Tokens with their log-probabilities in nats, the likeliest first."""
    entropy_reduction_nats: float | None = None

    @property
    def surprisal_nats(self) -> float:
        """-ln P(token | everything before it)."""
        return -self.logprob_nats

    @property
    def surprisal_bits(self) -> float:
        """-log2 P(token | everything before it)."""
        return -self.logprob_nats / math.log(2)

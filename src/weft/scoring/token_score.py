"""TokenScore: what one token of a text cost a model. Everything that scores text yields these."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class TokenScore:
    """One token, or one word made of several, and what it cost.

    sentence, position      line of the text and token in the line, both from 0
    token                   as the vocabulary writes it: `<unk>` for what is not in it, `<eos>` for the line end
    text, start, end        as written: `line[start:end] == text`; "" for the line end
    logprob_nats            ln P(token | everything before it)
    entropy_nats            of the predicted distribution: -Σ_v P(v) ln P(v)
    rank                    1 + the number of tokens that were likelier
    oov                     whether it stands for something outside the vocabulary
    alternatives            the likeliest tokens with their ln P, the likeliest first
    entropy_reduction_nats  how much less there is to tell after the token: max(0, entropy before - entropy after)
                            (Hale 2006); None for the last token of a line

    None: not worked out, or not defined.
    """

    sentence: int
    position: int
    token: str
    text: str
    start: int
    end: int
    logprob_nats: float
    entropy_nats: float | None
    rank: int | None
    oov: bool
    alternatives: tuple[tuple[str, float], ...] = ()
    entropy_reduction_nats: float | None = None

    @property
    def surprisal_nats(self) -> float:
        """-ln P(token | everything before it)."""
        return -self.logprob_nats

    @property
    def surprisal_bits(self) -> float:
        """-log2 P(token | everything before it)."""
        return -self.logprob_nats / math.log(2)

    @property
    def is_line_end(self) -> bool:
        """Whether it is the end of a line; the text is "" at the last one, and the line break at one before."""
        return self.text in ("", "\n", "\r\n")

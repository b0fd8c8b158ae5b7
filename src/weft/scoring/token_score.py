"""TokenScore: the log-probability of one token of a text, and other measures. All scoring of text yields these."""

from __future__ import annotations

import math
from dataclasses import dataclass

from weft.text.tokenizers.text import JOIN


@dataclass(frozen=True)
class TokenScore:
    """One token, or one word of several tokens, and its scores.

    sentence, position      index of the line, and of the token in the line, both from 0
    token                   as in the vocabulary: `<unk>` for an unknown word, `<eos>` for the line end
    text, start, end        as written: `line[start:end] == text`; "" for the line end
    logprob_nats            ln P(token | everything before it)
    entropy_nats            of the predicted distribution: -Σ_v P(v) ln P(v)
    rank                    1 + the number of likelier tokens
    oov                     whether the word is outside the vocabulary
    alternatives            the likeliest tokens with their ln P, the likeliest first
    entropy_reduction_nats  max(0, entropy before the token - entropy after it) (Hale 2006); None for the last token of
                            a line

    None: not computed, or undefined.
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
        return 0.0 - self.logprob_nats  # not -0.0 for a certain token

    @property
    def surprisal_bits(self) -> float:
        """-log2 P(token | everything before it)."""
        return self.surprisal_nats / math.log(2)

    @property
    def is_line_end(self) -> bool:
        """Whether the token is a line end: its text is a line break, or "" at the end of the text.

        The token `<join>` of written text, which has no text either, is none.
        """
        return self.text.endswith("\n") or (not self.text and self.token != JOIN)

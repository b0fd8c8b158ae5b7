"""Made-up scores for pictures."""

from __future__ import annotations

import math
import re
from typing import Any

from weft.scoring.token_score import TokenScore


def score(text: str, start: int, bits: float = 3.0, **others: Any) -> TokenScore:
    values: dict[str, Any] = {
        "sentence": 0, "position": 0, "token": text, "text": text, "start": start, "end": start + len(text),
        "logprob_nats": -bits * math.log(2), "entropy_nats": 2.0, "rank": 7, "oov": False,
    }  # fmt: skip
    return TokenScore(**{**values, **others})


def line_end(line: str, bits: float = 1.5) -> TokenScore:
    return score("", len(line), bits, token="<eos>")


def words_of(line: str, bits: float = 3.0) -> list[TokenScore]:
    """A score for every word of the line, and for its end."""
    return [score(word[0], word.start(), bits) for word in re.finditer(r"\S+", line)] + [line_end(line)]


def characters_of(line: str) -> list[TokenScore]:
    return [score(character, index) for index, character in enumerate(line)] + [line_end(line)]

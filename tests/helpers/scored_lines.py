"""Hand-made scores, with numbers that are exact in every base."""

from __future__ import annotations

import math

from weft.scoring import TokenScore

LN2, LN10 = math.log(2), math.log(10)


def scored(
    sentence: int, line: str, log10s: list[float], unknown: str = "", entropies: list[float] | None = None
) -> list[TokenScore]:
    """The words of `line` and its end, with these log-probabilities to base 10 and entropies in bits."""
    scores, start = [], 0
    for position, (word, log10) in enumerate(zip([*line.split(), ""], log10s, strict=True)):
        start = line.index(word, start) if word else len(line)
        token = "<unk>" if word and word == unknown else word or "<eos>"
        entropy = entropies[position] * LN2 if entropies else None
        end = start + len(word)
        scores.append(
            TokenScore(sentence, position, token, word, start, end, log10 * LN10, entropy, None, token == "<unk>")
        )
        start = end
    return scores


LINES = [
    scored(0, "the xyzzy sat", [-1.0, -2.0, -0.5, -0.25], unknown="xyzzy"),
    scored(1, "", [-1.5]),
    [],  # a line that could not be read
    scored(3, "no way", [-0.75, -math.inf, -0.125]),
]
IDS = {"<unk>": 0, "<eos>": 1, "the": 7, "sat": 8, "no": 9, "way": 10}

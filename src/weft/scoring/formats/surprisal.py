"""`surprisal`: the columns of psycholinguistic studies, one row for each word, in bits, numbers from 0.

    word sentid sentpos wlen surp entropy entred

as written by neural-complexity (van Schijndel & Linzen 2018, https://github.com/vansky/neural-complexity) with --words
--nopp. Line ends have no row. A word out of the vocabulary is written as `<unk>`; `wlen` is the length of the column
`word`. `entropy` is that of the distribution from which the word was predicted. `entred` is max(0, entropy of the row
before - entropy of this row), as in neural-complexity: the reduction by the word before, 0 in the first row of a line.
The reduction by the word itself is the column `entropy_reduction` of the other formats. Both are empty for words of
several tokens, which have no distribution over words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from weft.scoring.formats.layout import Layout, Lines, unbroken
from weft.scoring.token_score import TokenScore
from weft.scoring.units import BITS

HEADER = "word sentid sentpos wlen surp entropy entred\n"


def write_surprisal(lines: Lines, layout: Layout) -> Iterator[str]:
    """The header, then the rows of each line as one string."""
    yield HEADER
    for scores in lines:
        yield "".join(_rows([score for score in scores if not score.is_line_end]))


def _rows(scores: Sequence[TokenScore]) -> Iterator[str]:
    before = None
    for score in scores:
        word = unbroken(score.token)
        entropy = None if score.entropy_nats is None else score.entropy_nats / BITS.nats
        reduction = _reduction(entropy if before is None else before, entropy)
        yield (
            f"{word} {score.sentence} {score.position} {len(word)} {score.surprisal_bits} "
            f"{'' if entropy is None else entropy} {'' if reduction is None else reduction}\n"
        )
        before = entropy


def _reduction(before: float | None, entropy: float | None) -> float | None:
    # The integer 0 is first: without a reduction "0" is written, as neural-complexity does, and not "0.0".
    return None if before is None or entropy is None else max(0, before - entropy)

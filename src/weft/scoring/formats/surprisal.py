"""`surprisal`: the columns of psycholinguistic studies, one row for each word, in bits, numbers from 0.

    word sentid sentpos wlen surp entropy entred oov

The first seven are written by neural-complexity (van Schijndel & Linzen 2018,
https://github.com/vansky/neural-complexity) with --words --nopp. Line ends have no row. `wlen` is the length of the
column `word`. `entropy` is that of the distribution from which the word was predicted. `entred` is max(0, entropy of
the row before - entropy of this row), as in neural-complexity: the reduction by the word before, 0 in the first row of
a line. The reduction by the word itself is the column `entropy_reduction` of the other formats.

`oov` is 1 for a word out of the vocabulary: the word is as written, its surprisal is that of all unknown words
together. NA is an undefined value: both entropies of words of several tokens, which have no distribution over words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from weft.presentation.escapes import unbroken
from weft.scoring.formats.layout import Layout, Lines
from weft.scoring.token_score import TokenScore
from weft.scoring.units import BITS

HEADER = "word sentid sentpos wlen surp entropy entred oov\n"
UNDEFINED = "NA"


def write_surprisal(lines: Lines, layout: Layout) -> Iterator[str]:
    """The header, then the rows of each line as one string."""
    yield HEADER
    for scores in lines:
        yield "".join(_rows([score for score in scores if not score.is_line_end], layout))


def _rows(scores: Sequence[TokenScore], layout: Layout) -> Iterator[str]:
    before = None
    for score in scores:
        word = unbroken(score.text if score.oov else score.token)
        entropy = None if score.entropy_nats is None else score.entropy_nats / BITS.nats
        reduction = _reduction(entropy if before is None else before, entropy)
        surprisal = None if score.oov and layout.unknown_as_na else score.surprisal_bits
        values = [UNDEFINED if value is None else str(value) for value in (surprisal, entropy, reduction)]
        yield f"{word} {score.sentence} {score.position} {len(word)} {' '.join(values)} {int(score.oov)}\n"
        before = entropy


def _reduction(before: float | None, entropy: float | None) -> float | None:
    # The integer 0 is first: without a reduction "0" is written, as neural-complexity does, and not "0.0".
    return None if before is None or entropy is None else max(0, before - entropy)

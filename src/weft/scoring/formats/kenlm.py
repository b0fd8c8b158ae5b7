"""`kenlm`: the output of KenLM's `query`, logarithms to base 10 in single precision.

    word=id ngram_length log10p<TAB> … </s>=id ngram_length log10p<TAB>Total: log10p OOV: count

one line for each sentence, then two perplexities, the number of OOVs and that of tokens. `--detail` is `-v` of `query`.
ngram_length is the number of tokens from which the word was predicted, plus one: the start and the words before it in
its line, or in the whole text if the state is carried over from line to line. A word's id is that of the vocabulary; a
word of several tokens has id 1, an unknown word has id 0.

Layout and arithmetic after lm/ngram_query.hh and util/float_to_string.cc of https://github.com/kpu/kenlm: sentence
totals are summed in single precision, and a number is the shortest decimal that parses to the same value.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from weft.evaluation.perplexity import perplexity_of_log10
from weft.presentation.escapes import unbroken
from weft.scoring.formats.layout import ContextLength, Layout, Lines
from weft.scoring.token_score import TokenScore
from weft.scoring.units import BANS

LINE_END = "</s>"


def write_kenlm(lines: Lines, layout: Layout) -> Iterator[str]:
    """The line of each sentence, then the summary."""
    detail = layout.detail or "word"
    lengths = ContextLength(layout.running)
    total_log10 = oov_log10 = 0.0
    tokens = oovs = 0
    for scores in lines:
        log10s = [np.float32(score.logprob_nats / BANS.nats) for score in scores]
        words = "".join(_words(scores, log10s, lengths, layout)) if detail == "word" else ""
        line_oovs = sum(score.oov for score in scores)
        line_log10 = _sum(log10s)
        yield "" if detail == "summary" else f"{words}Total: {shortest(line_log10)} OOV: {line_oovs}\n"
        total_log10 += float(line_log10)
        oov_log10 += math.fsum(float(log10) for score, log10 in zip(scores, log10s, strict=True) if score.oov)
        tokens += len(scores)
        oovs += line_oovs
    yield (
        f"Perplexity including OOVs:\t{_perplexity(total_log10, tokens)}\n"
        f"Perplexity excluding OOVs:\t{_perplexity(total_log10 - oov_log10, tokens - oovs)}\n"
        f"OOVs:\t{oovs}\n"
        f"Tokens:\t{tokens}\n"
    )


def _words(
    scores: Sequence[TokenScore], log10s: Sequence[np.float32], lengths: ContextLength, layout: Layout
) -> Iterator[str]:
    for score, log10, length in zip(scores, log10s, lengths.of_line(scores), strict=True):
        word = LINE_END if score.is_line_end else unbroken(score.text)
        yield f"{word}={_id(score, layout)} {length + 1} {shortest(log10)}\t"


def _id(score: TokenScore, layout: Layout) -> int:
    if score.oov:
        return 0
    id = layout.id_of(score.token)
    return 1 if id is None else id


def _sum(log10s: Sequence[np.float32]) -> np.float32:
    # Sequentially, rounding each partial sum, as KenLM does; np.sum adds in another order.
    total: np.float32 = np.add.accumulate([np.float32(0), *log10s], dtype=np.float32)[-1]
    return total


def _perplexity(log10: float, tokens: int) -> str:
    value = perplexity_of_log10(log10, tokens)
    return "NaN" if value is None else shortest(np.float64(value))


def shortest(number: np.floating) -> str:
    """The shortest decimal that parses to `number`; with an exponent below 1e-6 and from 1e21 on."""
    if not np.isfinite(number):
        return "NaN" if np.isnan(number) else "inf" if number > 0 else "-inf"
    if number == 0:
        return "0"  # without a sign
    text = np.format_float_scientific(number, unique=True, trim="-", exp_digits=1).replace("e+", "e")
    if -6 <= int(text.partition("e")[2]) < 21:
        return np.format_float_positional(number, unique=True, trim="-")
    return text

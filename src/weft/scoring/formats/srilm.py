"""`srilm`: the output of SRILM's `ngram -ppl`, logarithms to base 10 in single precision; `--detail` is its `-debug`.

    the words of the sentence                                                   with detail `sentence` and `word`
    <TAB>p( word | previous ...) <TAB>= [Ngram] probability [ log10p ]          one line for each word, detail `word`
    1 sentences, 3 words, 0 OOVs
    0 zeroprobs, logprob= log10p ppl= perplexity ppl1= perplexity

The last two lines are repeated for the whole text, after `file NAME: `. As in SRILM,

    ppl = 10^(-logprob / (words - OOVs - zeroprobs + sentences))         ppl1: without the sentences

A word out of the vocabulary is written as `<unk>`, counted as OOV and excluded from logprob, as in SRILM without its
option -unk; a known word of probability zero counts as a zeroprob. N of [Ngram] is the number of tokens from which the
word was predicted, plus one. SRILM skips blank lines; here a blank line is a sentence without words, because its end is
predicted too.

Layout and arithmetic after lm/src/LM.cc and lm/src/TextStats.cc of SRILM 1.7.3: seven digits, sums in double precision.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from weft.evaluation.perplexity import perplexity_of_log10
from weft.presentation.escapes import unbroken
from weft.scoring.formats.layout import ContextLength, Layout, Lines
from weft.scoring.token_score import TokenScore
from weft.scoring.units import BANS
from weft.text.tokenizers.base import UNK

LINE_START, LINE_END = "<s>", "</s>"


@dataclass
class Statistics:
    """The counts of SRILM, of a sentence or of a text."""

    sentences: int = 0
    words: int = 0
    oovs: int = 0
    zeroprobs: int = 0
    log10: float = 0.0

    def add(self, score: TokenScore) -> None:
        """Count one more word or line end."""
        log10 = _log10(score)
        if score.is_line_end:
            self.sentences += 1
        else:
            self.words += 1
        if score.oov:
            self.oovs += 1
        elif math.isinf(log10):
            self.zeroprobs += 1
        else:
            self.log10 += log10

    def include(self, other: Statistics) -> None:
        """Add the counts of `other`."""
        self.sentences += other.sentences
        self.words += other.words
        self.oovs += other.oovs
        self.zeroprobs += other.zeroprobs
        self.log10 += other.log10

    def __str__(self) -> str:
        counts = f"{self.sentences} sentences, {self.words} words, {self.oovs} OOVs\n"
        if self.words + self.sentences == 0:
            return counts
        scored = self.words - self.oovs - self.zeroprobs
        ppl, ppl1 = _perplexity(self.log10, scored + self.sentences), _perplexity(self.log10, scored)
        return f"{counts}{self.zeroprobs} zeroprobs, logprob= {_digits(self.log10)} ppl= {ppl} ppl1= {ppl1}\n"


def write_srilm(lines: Lines, layout: Layout) -> Iterator[str]:
    """The lines of each sentence, then those of the whole text."""
    detail = layout.detail or "summary"
    lengths = ContextLength(layout.running)
    text = Statistics()
    for scores in lines:
        sentence = Statistics()
        for score in scores:
            sentence.add(score)
        text.include(sentence)
        if detail == "summary":
            yield ""
            continue
        written = " ".join(unbroken(score.text) for score in scores if not score.is_line_end)
        words = "".join(_words(scores, lengths)) if detail == "word" else ""
        yield f"{written}\n{words}{sentence}\n"
    yield f"file {layout.source}: {text}"


def _words(scores: Sequence[TokenScore], lengths: ContextLength) -> Iterator[str]:
    previous, more = LINE_START, ""
    for score, length in zip(scores, lengths.of_line(scores), strict=True):
        word = UNK if score.oov else LINE_END if score.is_line_end else unbroken(score.text)
        found = "OOV" if score.oov else f"{length + 1}gram"
        log10 = -math.inf if score.oov else _log10(score)
        probability = math.exp(log10 * BANS.nats)
        yield f"\tp( {word} | {previous} {more}) \t= [{found}] {_digits(probability)} [ {_digits(log10)} ]\n"
        previous, more = word, "..."


def _log10(score: TokenScore) -> float:
    return float(np.float32(score.logprob_nats / BANS.nats))


def _perplexity(log10: float, tokens: int) -> str:
    value = perplexity_of_log10(log10, tokens)
    return "undefined" if value is None else _digits(value)


def _digits(number: float) -> str:
    return f"{number + 0.0:.7g}"  # a zero without a sign

"""Minimal pairs: two sentences, of which a model should prefer the first, compared as a whole or at their target.

    difference = Σ surprisals of the wrong sentence - Σ surprisals of the right sentence, in bits

A pair is correct if its difference is above 0. With `sentence` the sums are over all tokens. With `target` they are
over the words from the first to the last in which the sentences differ, each predicted from the words before it; the
words after them are not read. The probability of a word of several tokens is that of `weft.scoring.words`. In a script
without spaces, characters are compared in place of words.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import tee
from typing import Literal

from weft.scoring import TokenScore, Wanted
from weft.scoring.words import has_no_spaces
from weft.stimuli.accuracy import CONFIDENCE, Accuracy, bootstrap_interval
from weft.stimuli.equal_prefixes import EqualPrefixes
from weft.stimuli.syntaxgym import LineScorer
from weft.text.rules import AT_SEPARATORS

Comparison = Literal["sentence", "target"]
COMPARISONS: tuple[Comparison, ...] = ("sentence", "target")


@dataclass(frozen=True)
class Pair:
    """The right and the wrong sentence, and the conditions of the pair: values by name."""

    good: str
    bad: str
    conditions: dict[str, str] = field(default_factory=dict)

    @property
    def targets(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """In each sentence the span of the words without those that both have at the beginning and at the end.

        A span is empty if one sentence has only words of the other.
        """
        units = _characters if has_no_spaces(self.good) and has_no_spaces(self.bad) else AT_SEPARATORS.spans
        good, bad = units(self.good), units(self.bad)
        words = [self.good[start:end] for start, end in good], [self.bad[start:end] for start, end in bad]
        shortest = min(len(good), len(bad))
        first = next((n for n in range(shortest) if words[0][n] != words[1][n]), shortest)
        last = next((n for n in range(shortest - first) if words[0][-1 - n] != words[1][-1 - n]), shortest - first)
        return _span(good[first : len(good) - last]), _span(bad[first : len(bad) - last])


def _characters(text: str) -> list[tuple[int, int]]:
    """The span of each character within a word."""
    return [(place, place + 1) for start, end in AT_SEPARATORS.spans(text) for place in range(start, end)]


def _span(words: list[tuple[int, int]]) -> tuple[int, int]:
    return (words[0][0], words[-1][1]) if words else (0, 0)


@dataclass(frozen=True)
class ComparedPair:
    """The surprisals in bits of what is compared, None where the pair has no target, and its unknown words."""

    pair: Pair
    good_bits: float | None
    bad_bits: float | None
    good_oov: tuple[str, ...] = ()
    bad_oov: tuple[str, ...] = ()

    @property
    def difference_bits(self) -> float | None:
        """How much more surprising the wrong one is; None without a target, or if both have probability 0."""
        if self.good_bits is None or self.bad_bits is None or self.good_bits == self.bad_bits == math.inf:
            return None
        return self.bad_bits - self.good_bits

    @property
    def correct(self) -> bool | None:
        """Whether the right one is likelier; None where the difference is undefined."""
        return None if self.difference_bits is None else self.difference_bits > 0

    @property
    def oov(self) -> bool:
        """Whether there is a word outside the vocabulary in what is compared."""
        return bool(self.good_oov or self.bad_oov)


def compare_pairs(
    lm: LineScorer,
    pairs: Iterable[Pair],
    comparison: Comparison = "sentence",
    *,
    eos: bool = True,
    batch_size: int | None = None,
) -> Iterator[ComparedPair]:
    """Each pair with the surprisals of a language model; in order, in batches and in constant memory.

    eos: whether the line end is a part of whole sentences. If `pairs` raises an error, the pairs before it are compared
    first.
    """
    whole = comparison == "sentence"
    taken, kept = tee(pairs)
    lines = (line for pair in taken for line in _lines(pair, whole))
    scored = lm.score_lines(lines, batch_size, eos and whole, Wanted(words=not whole))
    for good in scored:
        bad, pair = next(scored), next(kept)
        prefixes = EqualPrefixes(lm.tokenizer)
        good, bad = map(prefixes.shared, _lines(pair, whole), (good, bad))
        yield _compared_whole(pair, good, bad) if whole else _compared_targets(pair, good, bad)


def _lines(pair: Pair, whole: bool) -> tuple[str, str]:
    """What is read of the sentences; nothing after the targets."""
    if whole:
        return pair.good, pair.bad
    (_, end_of_good), (_, end_of_bad) = pair.targets
    return pair.good[:end_of_good], pair.bad[:end_of_bad]


def _compared_whole(pair: Pair, good: list[TokenScore], bad: list[TokenScore]) -> ComparedPair:
    return ComparedPair(pair, _bits(good), _bits(bad), _unknown(good), _unknown(bad))


def _compared_targets(pair: Pair, good: list[TokenScore], bad: list[TokenScore]) -> ComparedPair:
    (start_of_good, end_of_good), (start_of_bad, end_of_bad) = pair.targets
    if not (end_of_good and end_of_bad):
        return ComparedPair(pair, None, None)
    good = [score for score in good if score.end > start_of_good]
    bad = [score for score in bad if score.end > start_of_bad]
    return _compared_whole(pair, good, bad)


def _bits(scores: list[TokenScore]) -> float:
    return math.fsum(score.surprisal_bits for score in scores)


def _unknown(scores: list[TokenScore]) -> tuple[str, ...]:
    return tuple(score.text.strip() for score in scores if score.oov)


@dataclass
class Tally:
    """The results of the pairs of one condition.

    undefined  pairs without a difference, which are in no other number
    ties       pairs whose difference is 0, which are not correct
    known      the pairs without unknown words
    """

    differences: list[float] = field(default_factory=list)
    undefined: int = 0
    ties: int = 0
    correct: int = 0
    known: int = 0
    known_correct: int = 0

    def add(self, compared: ComparedPair) -> None:
        """Count one more pair."""
        difference = compared.difference_bits
        if difference is None:
            self.undefined += 1
            return
        self.differences.append(difference)
        self.ties += difference == 0
        self.correct += difference > 0
        self.known += not compared.oov
        self.known_correct += difference > 0 and not compared.oov

    @property
    def accuracy(self) -> Accuracy:
        """The correct pairs among those with a difference."""
        return Accuracy(self.correct, len(self.differences))

    @property
    def accuracy_known(self) -> Accuracy:
        """The same, among the pairs without unknown words."""
        return Accuracy(self.known_correct, self.known)

    @property
    def mean_difference_bits(self) -> float | None:
        """The mean difference; None without pairs."""
        return math.fsum(self.differences) / len(self.differences) if self.differences else None

    def difference_interval(self, confidence: float = CONFIDENCE, seed: int = 1) -> tuple[float, float] | None:
        """The bootstrap interval over pairs of the mean difference in bits."""
        return bootstrap_interval(self.differences, confidence, seed=seed)


class Tallies:
    """The tally of all pairs, and of each value of some conditions. A pair without the condition has the value ""."""

    def __init__(self, by: Iterable[str] = ()) -> None:
        self.all = Tally()
        self.by: dict[str, dict[str, Tally]] = {name: {} for name in by}

    def counting(self, compared: Iterable[ComparedPair]) -> Iterator[ComparedPair]:
        """The same pairs."""
        for each in compared:
            self.all.add(each)
            for name, tallies in self.by.items():
                tallies.setdefault(each.pair.conditions.get(name, ""), Tally()).add(each)
            yield each

"""Counts over the utterances of a list, kept while the utterances are iterated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from weft.rescoring.references import References
from weft.rescoring.rescore import RescoredUtterance
from weft.rescoring.word_errors import WordErrors, word_errors
from weft.text.rules import AT_SEPARATORS


class Counts:
    """The numbers of utterances, hypotheses, tokens (line ends included) and tokens out of the vocabulary."""

    def __init__(self) -> None:
        self.utterances = self.hypotheses = self.tokens = self.oov_tokens = 0

    def counting(self, rescored: Iterable[RescoredUtterance]) -> Iterator[RescoredUtterance]:
        """The same utterances, counted."""
        for utterance in rescored:
            self.utterances += 1
            self.hypotheses += len(utterance.scores)
            self.tokens += sum(score.tokens for score in utterance.scores)
            self.oov_tokens += sum(score.oov_tokens for score in utterance.scores)
            yield utterance


class ErrorCounts:
    """Word errors. best: of the hypotheses with the highest totals; first: of the first ones; oracle: the fewest.

    Raises InputError for an utterance without a reference, and at the end for references without an utterance.
    """

    def __init__(self, references: References) -> None:
        self._references = references
        self.best = self.first = self.oracle = WordErrors()

    def counting(self, rescored: Iterable[RescoredUtterance]) -> Iterator[RescoredUtterance]:
        """The same utterances, counted."""
        for utterance in rescored:
            reference = self._references.of(utterance.utterance.id)
            words = len(AT_SEPARATORS.words(reference))
            errors = word_errors(reference, [hypothesis.text for hypothesis in utterance.utterance.hypotheses])
            self.best = self.best.plus(errors[utterance.best], words)
            self.first = self.first.plus(errors[0], words)
            self.oracle = self.oracle.plus(min(errors), words)
            yield utterance
        self._references.refuse_unused()

"""Word errors: the substitutions, deletions and insertions between a hypothesis and its reference.

    WER = errors / words of the references

over all utterances together. The alignment is computed by `jiwer` (the extra `rescore`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from weft.errors import InputError
from weft.text.rules import AT_SEPARATORS


@dataclass(frozen=True)
class WordErrors:
    """errors: the number of edits; words: the number of words in the references."""

    errors: int = 0
    words: int = 0

    def plus(self, errors: int, words: int) -> WordErrors:
        """These counts plus more."""
        return WordErrors(self.errors + errors, self.words + words)

    @property
    def percent(self) -> float:
        """The word error rate in percent; raises InputError when the references hold no words."""
        if self.words < 1:
            raise InputError("a word error rate needs references with words, got none")
        return 100 * self.errors / self.words


def word_errors(reference: str, hypotheses: Sequence[str]) -> list[int]:
    """The number of edits between a reference and each hypothesis; words are separated by single spaces.

    Raises InputError when `jiwer` is not installed.
    """
    if not reference:  # older versions of jiwer raise an error
        return [len(AT_SEPARATORS.words(hypothesis)) for hypothesis in hypotheses]
    # Equal hypotheses are aligned once.
    distinct = list(dict.fromkeys(hypotheses))
    jiwer = jiwer_package()
    at_blanks = jiwer.ReduceToListOfListOfWords()  # the default also strips other white space, which is part of a word
    output = jiwer.process_words([reference] * len(distinct), distinct, at_blanks, at_blanks)
    edits = {text: _edits(chunks) for text, chunks in zip(distinct, output.alignments, strict=True)}
    return [edits[hypothesis] for hypothesis in hypotheses]


def _edits(chunks: Sequence[Any]) -> int:
    return sum(
        max(chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx)
        for chunk in chunks
        if chunk.type != "equal"
    )


def jiwer_package() -> Any:
    """The package `jiwer`; raises InputError when it is not installed."""
    try:
        import jiwer
    except ImportError:
        raise InputError(
            "word error rates need the package 'jiwer', which is not installed: pip install 'weft[rescore]'"
        ) from None
    return jiwer

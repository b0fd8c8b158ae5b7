"""Notes on standard error about words that the vocabulary lacks, and about prompts that end in a blank."""

from __future__ import annotations

from collections.abc import Iterator

from weft.presentation.escapes import visible
from weft.presentation.streams import note
from weft.scoring import TokenScore
from weft.scoring.words import has_no_spaces
from weft.text.tokenizers.base import Tokenizer

SHOWN = 5
"""Most unknown words that a note names."""

LONGEST_WORD = 6
"""More characters in a script without spaces are several words."""


def note_prompt(tokenizer: Tokenizer, prompt: str) -> None:
    """Report unknown words of a prompt, and a blank at its end that belongs to the token after it."""
    _ids, oov = tokenizer.encode_with_oov(prompt)
    if any(oov):
        note(f"{sum(oov):,} of {len(oov):,} tokens are not in the vocabulary and are read as <unk>")
    if tokenizer.unit == "subword" and prompt[-1:] in (" ", "\t"):
        note(
            "the prompt ends in a blank, but the blank before a word is a part of the word's first token: leave it out "
            "for better continuations"
        )


class UnknownWords:
    """Counts the unknown words among scores while they are written."""

    def __init__(self, *, as_na: bool) -> None:
        self._as_na = as_na
        self._words = self._unknown = self._unspaced = 0
        self._first: dict[str, None] = {}

    def counting(self, scored: Iterator[list[TokenScore]]) -> Iterator[list[TokenScore]]:
        """The same scores."""
        for scores in scored:
            self._words += sum(not score.is_line_end for score in scores)
            for score in scores:
                if score.oov:
                    self._unknown += 1
                    self._unspaced += len(score.text) > LONGEST_WORD and has_no_spaces(score.text)
                    if len(self._first) < SHOWN:
                        self._first.setdefault(score.text)
            yield scores

    def report(self) -> None:
        """Write a note, if there are unknown words."""
        if self._unknown:
            scored = "have no score" if self._as_na else "are scored as <unk>; --unknown-as-na leaves their scores out"
            names = ", ".join(map(visible, self._first))
            more = ", …" if self._unknown > len(self._first) else ""
            note(f"{self._unknown:,} of {self._words:,} tokens are not in the vocabulary and {scored}: {names}{more}")
        if self._unspaced:
            note(
                f"{self._unspaced:,} of them are in a script without spaces, and words end at spaces: put spaces "
                "between the words of all texts, or score with a run trained with --tokenizer char or bpe"
            )

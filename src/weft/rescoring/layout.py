"""What a layout of n-best lists provides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from weft.rescoring.hypotheses import Utterance
from weft.rescoring.rescore import RescoredUtterance


class Layout(Protocol):
    """One way to write n-best lists down."""

    @property
    def has_acoustic(self) -> bool:
        """Whether an acoustic score is declared."""

    @property
    def has_old_lm(self) -> bool:
        """Whether the score of another language model is declared."""

    def read(self, sources: Sequence[str]) -> Iterator[Utterance]:
        """The utterances of files or folders, or of standard input for "-", in their order.

        Raises InputError, naming the file and the line, for a line that is not as declared.
        """

    def scored(self, rescored: RescoredUtterance) -> Iterator[str]:
        """The lines of an utterance as they were, with the language model's score in its place."""

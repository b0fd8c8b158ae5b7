"""The interface of a layout of n-best lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from weft.rescoring.hypotheses import Utterance
from weft.rescoring.rescore import RescoredUtterance


class Layout(Protocol):
    """A format of n-best lists."""

    @property
    def has_acoustic(self) -> bool:
        """Whether an acoustic score is declared."""

    @property
    def has_old_lm(self) -> bool:
        """Whether the score of another language model is declared."""

    def read(self, sources: Sequence[str]) -> Iterator[Utterance]:
        """The utterances of files, folders, or standard input ("-"), in order.

        Raises InputError with file and line for a line that is not in the declared format.
        """

    def scored(self, rescored: RescoredUtterance) -> Iterator[str]:
        """The lines of an utterance with the new score of the language model."""

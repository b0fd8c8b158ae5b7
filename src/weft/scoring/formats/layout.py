"""The layout of scores, and what several formats use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from weft.scoring.token_score import TokenScore
from weft.scoring.units import Unit

Lines = Iterable[Sequence[TokenScore]]
"""The scores of each line; none for a line that could not be read."""

DETAILS = ("summary", "sentence", "word")
"""-v 0, 1, 2 of KenLM and -debug 0, 1, 2 of SRILM."""


@dataclass(frozen=True)
class Layout:
    """The choices of the user; a format ignores those that do not concern it.

    columns  names of columns; empty: those of the format
    unit     of every column that is a logarithm; None: log-probabilities in nats, the others in bits
    modes    names of the ways of reading; with several, each line is written once for each mode, in turn
    running  whether the state was carried over from line to line
    detail   one of DETAILS; None: the default of the original tool
    source   the name of the text
    id_of    token -> its id in the vocabulary, or None
    unknown_as_na  whether the scores of words out of the vocabulary are left undefined
    """

    columns: tuple[str, ...] = ()
    unit: Unit | None = None
    modes: tuple[str, ...] = ()
    running: bool = False
    detail: str | None = None
    source: str = "-"
    id_of: Callable[[str], int | None] = lambda token: None
    unknown_as_na: bool = False


class ContextLength:
    """The number of tokens from which each token was predicted: the start, and the tokens read since."""

    def __init__(self, running: bool) -> None:
        self.running = running
        self._before = 1

    def of_line(self, scores: Sequence[TokenScore]) -> Iterator[int]:
        """One number for each score of the next line."""
        yield from range(self._before, self._before + len(scores))
        if self.running:
            self._before += len(scores)

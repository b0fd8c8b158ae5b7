"""What an n-best list holds: for each utterance, the hypotheses of a recognizer with its scores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from weft.rescoring.list_lines import Line


@dataclass(frozen=True)
class Hypothesis:
    """One hypothesis of an utterance.

    text           its words with one space between them; none at all is legal
    words          how many words the word weight counts
    acoustic_nats  ln of the acoustic score, None where the list has none
    old_lm_nats    ln of the language-model score that the list came with, None where it has none
    row            the line as it was read, for being written again; its form is the layout's
    """

    text: str
    words: int
    acoustic_nats: float | None = None
    old_lm_nats: float | None = None
    row: Any = field(default=None, repr=False)


@dataclass(frozen=True)
class Utterance:
    """The hypotheses of one utterance, at least one, in the order of the list."""

    id: str
    hypotheses: tuple[Hypothesis, ...]


def one_space_between(text: str) -> str:
    """The words of a text with one space between them, so that white space tells no hypotheses apart."""
    return " ".join(text.split())


class DistinctIds:
    """Remembers the utterances that have been, to refuse one that comes again; grows by an id an utterance."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def add(self, id: str, line: Line) -> None:
        """Raises InputError when `id` was there before."""
        if id in self._seen:
            raise line.mistake(f"the utterance {id!r} was there before: its hypotheses must stand together, once")
        self._seen.add(id)


def gathered(hypotheses: Iterable[tuple[Line, str, Hypothesis]]) -> Iterator[Utterance]:
    """Utterances from hypotheses with their line and the id of their utterance, those of an utterance together.

    Raises InputError for an utterance that comes again after another.
    """
    ids = DistinctIds()
    current: str | None = None
    held: list[Hypothesis] = []
    for line, id, hypothesis in hypotheses:
        if id != current:
            if current is not None:
                yield Utterance(current, tuple(held))
            ids.add(id, line)
            current, held = id, []
        held.append(hypothesis)
    if current is not None:
        yield Utterance(current, tuple(held))

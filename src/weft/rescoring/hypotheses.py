"""The contents of an n-best list: for each utterance, the hypotheses of a recognizer with their scores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from weft.errors import quoted
from weft.rescoring.list_lines import Line
from weft.text.rules import AT_SEPARATORS, text_of


@dataclass(frozen=True)
class Hypothesis:
    """One hypothesis of an utterance.

    text           its words with one space between them; may be empty
    words          the number of words that the word weight multiplies
    acoustic_nats  ln of the acoustic score, None if the list has none
    old_lm_nats    ln of the language-model score in the list, None if it has none
    row            the line as read, in a form of the layout, for writing it again
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
    """The words of a text with one blank between them: hypotheses that differ only in blanks become equal."""
    return " ".join(AT_SEPARATORS.words(text))


def with_line_ends(utterances: Iterable[Utterance], marker: str) -> Iterator[Utterance]:
    """The same utterances with a line end in place of every word `marker`; a line end at the end of a text is left out.

    marker: see `weft.text.rules`.
    """
    for utterance in utterances:
        yield replace(utterance, hypotheses=tuple(_with_line_ends(each, marker) for each in utterance.hypotheses))


def _with_line_ends(hypothesis: Hypothesis, marker: str) -> Hypothesis:
    text = text_of(hypothesis.text, marker)
    removed = AT_SEPARATORS.words(hypothesis.text).count(marker)
    return replace(hypothesis, text=text, words=hypothesis.words - removed)


class DistinctIds:
    """The set of ids read so far, which refuses a repeated one."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def add(self, id: str, line: Line) -> None:
        """Add an id; raises InputError if it is in the set."""
        if id in self._seen:
            raise line.error(
                f"the utterance {quoted(id)} was there before: its hypotheses must be on consecutive lines"
            )
        self._seen.add(id)


def gathered(hypotheses: Iterable[tuple[Line, str, Hypothesis]]) -> Iterator[Utterance]:
    """Utterances from hypotheses with their line and the id of their utterance, grouped by id.

    Raises InputError for an id that occurs again after another one.
    """
    ids = DistinctIds()
    current: str | None = None
    group: list[Hypothesis] = []
    for line, id, hypothesis in hypotheses:
        if id != current:
            if current is not None:
                yield Utterance(current, tuple(group))
            ids.add(id, line)
            current, group = id, []
        group.append(hypothesis)
    if current is not None:
        yield Utterance(current, tuple(group))

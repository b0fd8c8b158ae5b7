"""Random n-best lists, written in every format, and their totals by the textbook."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from helpers.damage import damaged

WORDS = ["a", "b", "海", "it's", "10", "-0.5", "[noise]"]


@dataclass(frozen=True)
class Row:
    """A hypothesis; its scores are natural logarithms in the text of `json`, and in the unit of the list elsewhere."""

    id: str
    words: tuple[str, ...]
    acoustic: float
    lm: float
    nwords: int

    @property
    def text(self) -> str:
        return " ".join(self.words)


@dataclass(frozen=True)
class NBestFile:
    """The hypotheses of utterances, those of an utterance together."""

    rows: Sequence[Row]

    def columns(self, blank: str = " ", line_end: str = "\n") -> bytes:
        """Columns id, ascore, lscore, nwords, text."""
        rows = [[row.id, repr(row.acoustic), repr(row.lm), str(row.nwords), *row.words] for row in self.rows]
        return "".join(blank.join(row) + line_end for row in rows).encode()

    def kaldi(self) -> tuple[bytes, bytes, bytes]:
        """The words, the acoustic costs and the language-model costs."""
        ids = [f"{row.id}-{number}" for number, row in enumerate(self.rows, start=1)]
        columns = [row.text for row in self.rows], [-row.acoustic for row in self.rows], [-row.lm for row in self.rows]
        texts, acoustic, lm = (
            "".join(f"{id} {value}\n" for id, value in zip(ids, column, strict=True)).encode() for column in columns
        )
        return texts, acoustic, lm

    def json_lines(self) -> bytes:
        """Objects with the keys id, text, am, lm, and another one."""
        rows = [
            {"id": row.id, "text": row.text, "am": row.acoustic, "lm": row.lm, "more": {"n": [row.nwords, None]}}
            for row in self.rows
        ]
        return "".join(json.dumps(row) + "\n" for row in rows).encode()

    def totals(self, weights: Sequence[float], ln_of_base: float, lm_nats: float, nwords: bool) -> list[float]:
        """Of each row, with a model that gives every word and the end of a text `lm_nats`.

        weights: of the acoustic score, the model, the score of the list, and words. nwords: whether the number of words
        is that of the list.
        """
        totals = []
        for row in self.rows:
            words = row.nwords if nwords else len(row.words)
            scores = row.acoustic * ln_of_base, lm_nats * (len(row.words) + 1), row.lm * ln_of_base, words
            totals.append(sum(weight * score for weight, score in zip(weights, scores, strict=True)))
        return totals


MODERATE = st.floats(-1e4, 1e4) | st.sampled_from([0.0, -1.0, 5e-324])
SCORES = MODERATE | st.floats(-1e15, 1e15) | st.sampled_from([1e15, -1e15])


@st.composite
def nbest_files(draw: st.DrawFn, scores: st.SearchStrategy[float] = SCORES) -> NBestFile:
    """Lists of at least one utterance."""
    letters = st.text("abcXYZ012._:好é'\"\\", min_size=1, max_size=5)
    rows = []
    for id in draw(st.lists(letters, unique=True, min_size=1, max_size=4)):
        for _ in range(draw(st.integers(1, 3))):
            words = tuple(draw(st.lists(st.sampled_from(WORDS), max_size=4)))
            rows.append(Row(id, words, draw(scores), draw(scores), draw(st.integers(0, 10**6))))
    return NBestFile(rows)


def column_contents() -> st.SearchStrategy[bytes]:
    """Valid lists in columns, in several styles."""
    return st.builds(
        NBestFile.columns, nbest_files(), st.sampled_from([" ", "\t", "  "]), st.sampled_from(["\n", "\r\n", " \n"])
    )


def json_contents() -> st.SearchStrategy[bytes]:
    """Valid lists as JSON lines."""
    return st.builds(NBestFile.json_lines, nbest_files())


@st.composite
def damaged_kaldi_contents(draw: st.DrawFn) -> tuple[bytes, bytes, bytes]:
    """Words, acoustic costs and language-model costs; one of the three files was damaged."""
    contents = list(draw(nbest_files()).kaldi())
    place = draw(st.integers(0, 2))
    contents[place] = draw(damaged(st.just(contents[place])))
    texts, acoustic, lm = contents
    return texts, acoustic, lm

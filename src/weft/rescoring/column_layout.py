"""N-best lists in columns, SRILM's `ascore lscore nwords w1 w2 …` among them.

Scores of SRILM are logarithms to base 10 (nbest-format(5)). Without a column `id` a file holds one utterance, and its
id is the file's name without `.gz` and `.score`, as in SRILM's scripts. With a column `id` a file holds many.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from weft.errors import InputError, nearest, quoted
from weft.presentation.records import decimal
from weft.rescoring.hypotheses import DistinctIds, Hypothesis, Utterance, gathered, one_space_between
from weft.rescoring.list_lines import Line, files_of, lines_of
from weft.rescoring.rescore import RescoredUtterance
from weft.scoring.units import BANS, Unit
from weft.text.rules import AT_SEPARATORS, SEPARATORS

SRILM_COLUMNS = ("ascore", "lscore", "nwords", "text")
KNOWN = ("id", *SRILM_COLUMNS, "-")


class ColumnLayout:
    """Columns separated by white space.

    columns   their names in order: `id`, `ascore`, `lscore`, `nwords`, `-` for a column to ignore, and last `text`, the
              words, which take the rest of the line
    unit      of ascore and lscore

    Raises InputError for columns that are unknown, named twice, or do not end in `text`.
    """

    def __init__(self, columns: Sequence[str] = SRILM_COLUMNS, unit: Unit = BANS) -> None:
        for name in columns:
            if name not in KNOWN:
                raise InputError(f"unknown column {name!r}{nearest(name, KNOWN)}; known: {', '.join(KNOWN)}")
            if name != "-" and list(columns).count(name) > 1:
                raise InputError(f"the column {name} is declared twice")
        if not columns or columns[-1] != "text":
            raise InputError(f"the last column must be text, got {','.join(columns) or 'none'}")
        self.columns = tuple(columns)
        self.nats = unit.nats
        self.has_acoustic, self.has_old_lm = "ascore" in columns, "lscore" in columns

    def read(self, sources: Sequence[str]) -> Iterator[Utterance]:
        if "id" in self.columns:
            return gathered(self._with_ids(sources))
        return self._one_a_file(sources)

    def _with_ids(self, sources: Sequence[str]) -> Iterator[tuple[Line, str, Hypothesis]]:
        for source in files_of(sources):
            for line in lines_of(source):
                hypothesis = self._hypothesis(line)
                yield line, hypothesis.row[self.columns.index("id")], hypothesis

    def _one_a_file(self, sources: Sequence[str]) -> Iterator[Utterance]:
        ids = DistinctIds()
        for source in files_of(sources):
            if source == "-":
                raise InputError("standard input has no name that could be the utterance's id: declare a column id")
            hypotheses = tuple(self._hypothesis(line) for line in lines_of(source))
            id = Path(source).name.removesuffix(".gz").removesuffix(".score")
            if not hypotheses:
                raise InputError(f"{source}: the utterance {quoted(id)} has no hypotheses")
            ids.add(id, Line(source, 1, ""))
            yield Utterance(id, hypotheses)

    def _hypothesis(self, line: Line) -> Hypothesis:
        if line.text.startswith("NBestList"):
            raise line.error("this is Decipher's format: SRILM's `rescore-decipher -norescore` makes columns of it")
        if self.columns[0] == "id" and (not line.text or line.text[0] in SEPARATORS):
            raise line.error("there is no id at its beginning")
        before = len(self.columns) - 1
        row = AT_SEPARATORS.fields(line.text, before)
        if len(row) < before:
            expected = " ".join(self.columns)
            raise line.error(f"expected the columns {expected}, got {len(row)} of {before} before the text")
        row += [""] * (len(self.columns) - len(row))
        fields = dict(zip(self.columns, row, strict=True))
        text = one_space_between(row[-1])
        return Hypothesis(
            text,
            _count(line, fields["nwords"]) if "nwords" in fields else len(AT_SEPARATORS.words(text)),
            line.finite("ascore", fields["ascore"]) * self.nats if self.has_acoustic else None,
            line.finite("lscore", fields["lscore"]) * self.nats if self.has_old_lm else None,
            row,
        )

    def scored(self, rescored: RescoredUtterance) -> Iterator[str]:
        """The lines with the new lscore, as `ngram -rescore` writes them, after the id if that was the file's name.

        Raises InputError without a column lscore.
        """
        if not self.has_old_lm:
            raise InputError("there is no column lscore that could take the language model's score")
        place = self.columns.index("lscore")
        ids = [] if "id" in self.columns else [rescored.utterance.id]
        for hypothesis, score in zip(rescored.utterance.hypotheses, rescored.scores, strict=True):
            row = [*ids, *hypothesis.row]
            row[len(ids) + place] = decimal(score.logprob_nats / self.nats)
            yield " ".join(row).rstrip()


def _count(line: Line, field: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", field):
        raise line.error(f"nwords must be a number of words, got {quoted(field)}")
    return int(field)

"""N-best lists as Kaldi's scripts write them: `utterance-N words …`, and separate files of costs.

A cost is a negative natural logarithm (`nbest-to-linear`): the words, the language-model costs and the acoustic costs
are three files with the same ids in the same order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from weft.errors import InputError, quoted
from weft.presentation.records import decimal
from weft.rescoring.hypotheses import Hypothesis, Utterance, gathered, one_space_between
from weft.rescoring.list_lines import Line, files_of, lines_of
from weft.rescoring.rescore import RescoredUtterance
from weft.text.rules import AT_SEPARATORS, SEPARATORS

NBEST_ID = re.compile(r"(\S+)-([0-9]+)")


class KaldiLayout:
    """acoustic_costs, lm_costs: files of `utterance-N cost`, or None for no score."""

    def __init__(self, acoustic_costs: str | None = None, lm_costs: str | None = None) -> None:
        self._acoustic_costs, self._lm_costs = acoustic_costs, lm_costs
        self.has_acoustic, self.has_old_lm = acoustic_costs is not None, lm_costs is not None

    def read(self, sources: Sequence[str]) -> Iterator[Utterance]:
        return gathered(self._hypotheses(sources))

    def _hypotheses(self, sources: Sequence[str]) -> Iterator[tuple[Line, str, Hypothesis]]:
        acoustic, lm = _Costs(self._acoustic_costs), _Costs(self._lm_costs)
        utterance, numbers = "", set[str]()
        for source in files_of(sources):
            for line in lines_of(source):
                id, text = id_and_text(line)
                match = NBEST_ID.fullmatch(id)
                if match is None:
                    raise line.error(
                        f"{quoted(id)} is not the id of a hypothesis: expected UTTERANCE-NUMBER, as in utt1-1"
                    )
                if match[1] != utterance:
                    utterance, numbers = match[1], set()
                if match[2] in numbers:
                    raise line.error(f"the hypothesis {quoted(id)} was there before")
                numbers.add(match[2])
                words = len(AT_SEPARATORS.words(text))
                yield line, utterance, Hypothesis(text, words, acoustic.nats(id), lm.nats(id), id)
        acoustic.end()
        lm.end()

    def scored(self, rescored: RescoredUtterance) -> Iterator[str]:
        """`utterance-N cost`, the cost of the language model, in the form of the file of `--lm-costs`."""
        for hypothesis, score in zip(rescored.utterance.hypotheses, rescored.scores, strict=True):
            yield f"{hypothesis.row} {decimal(-score.logprob_nats)}"


def id_and_text(line: Line) -> tuple[str, str]:
    """The two parts of the line `id words …`; raises InputError for a line that does not begin with an id."""
    if not line.text or line.text[0] in SEPARATORS:
        raise line.error("there is no id at its beginning")
    id, *text = AT_SEPARATORS.fields(line.text, 1)
    return id, one_space_between(text[0]) if text else ""


class _Costs:
    """Costs that are read in parallel with the hypotheses; no costs without a file."""

    def __init__(self, source: str | None) -> None:
        self._source = source
        self._lines = iter(()) if source is None else lines_of(source)

    def nats(self, id: str) -> float | None:
        """The log-probability of the next hypothesis, which must be `id`."""
        if self._source is None:
            return None
        line = next(self._lines, None)
        if line is None:
            raise InputError(f"{self._source} ends before the cost of {quoted(id)}")
        found, cost = id_and_text(line)
        if found != id:
            what = f"expected the cost of {quoted(id)}, got {quoted(found)}"
            raise line.error(f"{what}: list the same ids in the same order")
        return -line.finite("the cost", cost)

    def end(self) -> None:
        """Raise InputError if costs are left over."""
        line = next(self._lines, None)
        if line is not None:
            raise line.error("this cost is of no hypothesis: the list has ended")

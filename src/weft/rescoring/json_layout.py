"""N-best lists as JSON lines: one object for each hypothesis, those of an utterance together."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from weft.presentation.records import json_text
from weft.rescoring.hypotheses import Hypothesis, Utterance, gathered, one_space_between
from weft.rescoring.list_lines import Line, files_of, lines_of
from weft.rescoring.rescore import RescoredUtterance
from weft.scoring.units import NATS, Unit


class JsonLayout:
    """The keys of the objects.

    id, text      keys of the utterance's id (a string or a whole number) and of the words
    acoustic, lm  keys of the scores, None for no score
    unit          of the scores
    """

    def __init__(
        self,
        id: str = "id",
        text: str = "text",
        acoustic: str | None = None,
        lm: str | None = None,
        unit: Unit = NATS,
    ) -> None:
        self._id, self._text, self._acoustic, self._lm = id, text, acoustic, lm
        self._nats = unit.nats
        self.has_acoustic, self.has_old_lm = acoustic is not None, lm is not None

    def read(self, sources: Sequence[str]) -> Iterator[Utterance]:
        return gathered((line, *self._hypothesis(line)) for source in files_of(sources) for line in lines_of(source))

    def _hypothesis(self, line: Line) -> tuple[str, Hypothesis]:
        row = _object(line)
        id = self._value(line, row, self._id)
        if isinstance(id, bool) or not isinstance(id, str | int) or id == "":
            raise line.error(f"the id {self._id!r} must be a string or a whole number, got {id!r}")
        text = self._value(line, row, self._text)
        if not isinstance(text, str):
            raise line.error(f"the text {self._text!r} must be a string, got {text!r}")
        text = one_space_between(text)
        acoustic, lm = (self._score(line, row, key) for key in (self._acoustic, self._lm))
        return str(id), Hypothesis(text, len(text.split()), acoustic, lm, row)

    def _score(self, line: Line, row: dict[str, Any], key: str | None) -> float | None:
        if key is None:
            return None
        value = self._value(line, row, key)
        if isinstance(value, str):
            raise line.error(f"{key!r} must be a number, got the string {value!r}")
        return line.finite(repr(key), value) * self._nats

    def _value(self, line: Line, row: dict[str, Any], key: str) -> Any:
        if key not in row:
            raise line.error(f"there is no key {key!r}; it has {', '.join(map(repr, row)) or 'none'}")
        return row[key]

    def scored(self, rescored: RescoredUtterance) -> Iterator[str]:
        """The objects as read, with the keys of `added_keys`."""
        for hypothesis, added in zip(rescored.utterance.hypotheses, added_keys(rescored), strict=True):
            yield json_text({**hypothesis.row, **added})


def plain_objects(rescored: RescoredUtterance) -> Iterator[str]:
    """JSON lines from any layout: `id`, `text`, `words`, the scores in the list, and the keys of `added_keys`."""
    for hypothesis, added in zip(rescored.utterance.hypotheses, added_keys(rescored), strict=True):
        row = {"id": rescored.utterance.id, "text": hypothesis.text, "words": hypothesis.words}
        scores = {"acoustic_nats": hypothesis.acoustic_nats, "old_lm_nats": hypothesis.old_lm_nats}
        read = {name: round(score, 6) for name, score in scores.items() if score is not None}
        yield json_text({**row, **read, **added})


def added_keys(rescored: RescoredUtterance) -> Iterator[dict[str, Any]]:
    """For each hypothesis its log-probability, unknown tokens, total, and rank by total from 1."""
    ranks = rescored.ranks()
    for score, total, rank in zip(rescored.scores, rescored.totals_nats, ranks, strict=True):
        yield {
            "weft_logprob_nats": round(score.logprob_nats, 6),
            "weft_oov_tokens": score.oov_tokens,
            "weft_total_nats": round(float(total), 6),
            "weft_rank": rank,
        }


def _object(line: Line) -> dict[str, Any]:
    try:
        row = json.loads(line.text)
    except (ValueError, RecursionError) as error:
        raise line.error(f"not a JSON object: {error}") from None
    if not isinstance(row, dict):
        raise line.error(f"expected a JSON object, got {line.text[:40]!r}")
    return row

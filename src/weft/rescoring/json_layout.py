"""N-best lists as JSON lines: one object for each hypothesis, those of an utterance together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import msgspec

from weft.errors import InputError, quoted, quoted_names
from weft.presentation.records import json_text
from weft.rescoring.hypotheses import Hypothesis, Utterance, gathered, one_space_between
from weft.rescoring.list_lines import A_SCORE, LARGEST_SCORE, Line, files_of, lines_of
from weft.rescoring.rescore import RescoredUtterance
from weft.scoring.units import NATS, Unit
from weft.text.rules import AT_SEPARATORS, normalized

DEEPEST = 100
"""Most levels of arrays and objects in a row, which is written again with further keys."""

_Id = Annotated[str, msgspec.Meta(min_length=1)] | int
_Score = Annotated[float, msgspec.Meta(ge=-LARGEST_SCORE, le=LARGEST_SCORE)]


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
        id: str | int = self._value(line, row, self._id, _Id, f"the id {self._id!r} must be a string or a whole number")
        text: str = self._value(line, row, self._text, str, f"the text {self._text!r} must be a string")
        try:
            text = one_space_between(normalized(text))
        except InputError as error:
            raise line.error(str(error)) from None
        acoustic, lm = (self._score(line, row, key) for key in (self._acoustic, self._lm))
        return str(id), Hypothesis(text, len(AT_SEPARATORS.words(text)), acoustic, lm, row)

    def _score(self, line: Line, row: dict[str, Any], key: str | None) -> float | None:
        if key is None:
            return None
        if isinstance(row.get(key), str):
            raise line.error(f"{key!r} must be a number, got the string {quoted(row[key])}")
        score: float = self._value(line, row, key, _Score, f"{key!r} must be {A_SCORE}")
        return score * self._nats

    def _value(self, line: Line, row: dict[str, Any], key: str, type: Any, requirement: str) -> Any:
        """The value of a key, of a type of msgspec; raises InputError with the requirement for any other value."""
        if key not in row:
            raise line.error(f"there is no key {key!r}; it has {quoted_names(row) or 'none'}")
        try:
            return msgspec.convert(row[key], type)
        except msgspec.ValidationError:
            raise line.error(f"{requirement}, got {quoted(row[key])}") from None

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
        row = msgspec.json.decode(line.text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise line.error(f"not a JSON object: {error}") from None
    if not isinstance(row, dict):
        raise line.error(f"expected a JSON object, got {quoted(line.text, 40)}")
    if line.text.count("[") + line.text.count("{") > DEEPEST and _depth(row) > DEEPEST:
        raise line.error(f"not a JSON object of a hypothesis: its values are nested more than {DEEPEST} deep")
    return row


def _depth(value: Any) -> int:
    """How deep arrays and objects are nested; 0 for a value that is neither."""
    deepest, pending = 0, [(value, 0)]
    while pending:
        value, depth = pending.pop()
        if isinstance(value, dict | list):
            depth += 1
            pending += [(item, depth) for item in (value.values() if isinstance(value, dict) else value)]
        deepest = max(deepest, depth)
    return deepest

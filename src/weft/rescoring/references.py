"""References: the words spoken in each utterance, for counting the errors of hypotheses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from weft.errors import InputError
from weft.rescoring.kaldi_layout import id_and_text
from weft.rescoring.list_lines import lines_of

SHOWN = 3


class References:
    """The words of utterances by id, and the ids that have not been looked up yet."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = dict(texts)
        self._unused = dict.fromkeys(texts)

    def of(self, id: str) -> str:
        """The words of an utterance with one space between them; raises InputError if it has no reference."""
        if id not in self._texts:
            there = f"there are references of {_named(self._texts)}" if self._texts else "there are no references"
            raise InputError(f"the utterance {id!r} has no reference; {there}")
        self._unused.pop(id, None)
        return self._texts[id]

    def refuse_unused(self) -> None:
        """Raise InputError if a reference has not been looked up."""
        if self._unused:
            raise InputError(
                f"{len(self._unused):,} of {len(self._texts):,} references are of utterances without hypotheses: "
                f"{_named(self._unused)}"
            )


def read_references(source: str) -> References:
    """The references in a file of lines `utterance words …`; a line may have no words.

    Raises InputError with the line for a line without an id and for a repeated id.
    """
    texts: dict[str, str] = {}
    for line in lines_of(source):
        id, text = id_and_text(line)
        if id in texts:
            raise line.error(f"the utterance {id!r} has a reference already")
        texts[id] = text
    return References(texts)


def _named(ids: Iterable[str]) -> str:
    ids = list(ids)
    return ", ".join(map(repr, ids[:SHOWN])) + (", …" if len(ids) > SHOWN else "")

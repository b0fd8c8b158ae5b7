"""References: the words spoken in each utterance, for counting the errors of hypotheses."""

from __future__ import annotations

from collections.abc import Mapping

from weft.errors import InputError, quoted, quoted_names
from weft.rescoring.kaldi_layout import id_and_text
from weft.rescoring.list_lines import lines_of


class References:
    """The words of utterances by id, and the ids that have not been looked up yet."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = dict(texts)
        self._unused = dict.fromkeys(texts)

    def of(self, id: str) -> str:
        """The words of an utterance with one space between them; raises InputError if it has no reference."""
        if id not in self._texts:
            there = f"there are references of {quoted_names(self._texts)}" if self._texts else "there are no references"
            raise InputError(f"the utterance {quoted(id)} has no reference; {there}")
        self._unused.pop(id, None)
        return self._texts[id]

    def refuse_unused(self) -> None:
        """Raise InputError if a reference has not been looked up."""
        if self._unused:
            raise InputError(
                f"{len(self._unused):,} of {len(self._texts):,} references are of utterances without hypotheses: "
                f"{quoted_names(self._unused)}"
            )


def read_references(source: str) -> References:
    """The references in a file of lines `utterance words …`; a line may have no words.

    Raises InputError with the line for a line without an id and for a repeated id.
    """
    texts: dict[str, str] = {}
    for line in lines_of(source):
        id, text = id_and_text(line)
        if id in texts:
            raise line.error(f"the utterance {quoted(id)} has a reference already")
        texts[id] = text
    return References(texts)

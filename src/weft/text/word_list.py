"""A vocabulary in a file: a word a line, as colorlessgreenRNNs and LM-Zoo have it."""

from __future__ import annotations

from pathlib import Path

from weft.errors import InputError, quoted, quoted_names
from weft.text.corpus import open_corpus
from weft.text.rules import AT_SEPARATORS


def read_word_list(path: Path | str) -> list[str]:
    """The words of a file in the order of its lines; empty lines are left out.

    Raises InputError for a line of several words and a word that is there twice, and what `open_corpus` raises.
    """
    words: dict[str, None] = {}
    twice: dict[str, None] = {}
    for number, line in enumerate(open_corpus([Path(path)]).pieces(), start=1):
        found = AT_SEPARATORS.words(line)
        if len(found) > 1:
            raise InputError(
                f"{path}, line {number}: a vocabulary has one word a line, got {len(found)} ({quoted(line.strip())})"
            )
        for word in found:
            (twice if word in words else words)[word] = None
    if twice:
        raise InputError(f"{path} has words twice: {quoted_names(list(twice))}")
    return list(words)

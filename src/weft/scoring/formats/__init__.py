"""Output formats of scores, by name. A format needs the scores of lines, and no model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from weft.scoring.formats import table
from weft.scoring.formats.columns import BY_DEFAULT
from weft.scoring.formats.jsonl import write_jsonl
from weft.scoring.formats.kenlm import write_kenlm
from weft.scoring.formats.layout import DETAILS, Layout, Lines
from weft.scoring.formats.lm_zoo import write_lm_zoo
from weft.scoring.formats.srilm import write_srilm
from weft.scoring.formats.surprisal import write_surprisal
from weft.scoring.formats.tsv import write_tsv

__all__ = ["DETAILS", "FORMATS", "Format", "Layout", "Lines"]


@dataclass(frozen=True)
class Format:
    """A format. write: turns the scores of lines into text, one string for each line.

    words    whether its rows are words even where the tokens of a model are parts of words
    entropy  whether it needs the entropy of every predicted distribution
    columns  its default columns; empty where columns, units and modes cannot be chosen
    detail   whether its level of detail can be chosen
    """

    write: Callable[[Lines, Layout], Iterator[str]]
    words: bool = False
    entropy: bool = False
    columns: tuple[str, ...] = ()
    detail: bool = False


FORMATS = {
    "table": Format(table.write_table, columns=table.BY_DEFAULT),
    "tsv": Format(write_tsv, columns=BY_DEFAULT),
    "jsonl": Format(write_jsonl, columns=BY_DEFAULT),
    "lm-zoo": Format(write_lm_zoo),
    "kenlm": Format(write_kenlm, words=True, detail=True),
    "srilm": Format(write_srilm, words=True, detail=True),
    "surprisal": Format(write_surprisal, words=True, entropy=True),
}

"""Readers of files of minimal pairs. Each reads pairs one by one, with the line in the message of an error.

jsonl      BLiMP (Warstadt et al. 2020): {"sentence_good": …, "sentence_bad": …}; other keys are conditions
tsv        two columns, the right sentence first; or a header with sentence_good, sentence_bad and conditions
lines      two files: line n of the first is the right sentence, line n of the second the wrong one
agreement  Gulordava et al. (2018), "Colorless green recurrent networks dream hierarchically": NAME.text with a
           sentence a line, and NAME.gold, tab-separated, whose line n is about sentence n: column 4, counted from
           1, is the index of the target among the words, from 0; 7 the right and 8 the wrong form; 10 the number
           of attractors
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import msgspec

from weft.errors import InputError, quoted, quoted_names
from weft.rescoring.list_lines import Line, lines_of
from weft.stimuli.pairs import Comparison, Pair
from weft.text.rules import AT_SEPARATORS, check_characters
from weft.text.tokenizers.base import EOS

GOOD, BAD = "sentence_good", "sentence_bad"
AGREEMENT_COLUMNS = {
    "pattern": 0, "construction": 1, "sentence": 2, "part_of_speech": 4, "features": 5, "lemma": 8, "attractors": 9,
}  # fmt: skip
"""Conditions of number agreement, and their columns from 0."""
_INDEX, _RIGHT, _WRONG = 3, 6, 7
_LEAST_COLUMNS = 10


@dataclass(frozen=True)
class PairLayout:
    """read: the pairs of the files named. files: how many it reads.

    by: conditions by which results are listed unless others are named. comparison: of pairs unless another is named.
    """

    read: Callable[..., Iterator[Pair]]
    files: int = 1
    by: tuple[str, ...] = ()
    comparison: Comparison = "sentence"


def layout_of(names: list[str]) -> str:
    """The layout that the names of files suggest."""
    if len(names) == 2:
        return "lines"
    plain = names[0].removesuffix(".gz")
    return next((layout for ending, layout in _ENDINGS.items() if plain.endswith(ending)), "tsv")


_ENDINGS = {".jsonl": "jsonl", ".json": "jsonl", ".gold": "agreement", ".text": "agreement"}


def read_json_pairs(source: str) -> Iterator[Pair]:
    """The pairs of JSON lines; raises InputError with the line."""
    for line in lines_of(source):
        try:
            row = msgspec.json.decode(line.text)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise line.error(f"not a JSON object: {error}") from None
        if not isinstance(row, dict):
            raise line.error(f"expected a JSON object, got {quoted(line.text, 40)}")
        good, bad = (_sentence(line, row, key) for key in (GOOD, BAD))
        conditions = {key: _as_text(value) for key, value in row.items() if key not in (GOOD, BAD)}
        yield Pair(good, bad, {key: value for key, value in conditions.items() if value is not None})


def _sentence(line: Line, row: dict[str, Any], key: str) -> str:
    if key not in row:
        raise line.error(f"there is no key {key!r}; it has {quoted_names(row) or 'none'}")
    if not isinstance(row[key], str):
        raise line.error(f"{key!r} must be a string, got {quoted(row[key])}")
    return _checked(line, row[key], key)


def _checked(line: Line, sentence: str, what: str) -> str:
    if not AT_SEPARATORS.words(sentence):
        raise line.error(f"{what} has no words")
    if "\n" in sentence:
        raise line.error(f"{what} has a line end in it")
    try:
        check_characters(sentence)
    except InputError as error:
        raise line.error(f"{what}: {error}") from None
    return sentence


def _as_text(value: Any) -> str | None:
    """A condition as text; None for a value that is an array or object."""
    match value:
        case bool():
            return "true" if value else "false"
        case str() | int() | float():
            return str(value)
        case _:
            return None


def read_tsv_pairs(source: str) -> Iterator[Pair]:
    """The pairs of a table; raises InputError with the line."""
    lines = lines_of(source)
    first = next(lines, None)
    if first is None:
        return
    header = _fields(first)
    if {GOOD, BAD} & set(header):
        for name in (GOOD, BAD):
            if header.count(name) != 1:
                raise first.error(f"a header has one column {name!r}; this one has {quoted_names(header)}")
    else:
        header, lines = [GOOD, BAD], chain([first], lines)
    for line in lines:
        fields = _fields(line)
        if len(fields) != len(header):
            raise line.error(f"expected {len(header)} fields separated by tabs, got {len(fields)}")
        row = dict(zip(header, fields, strict=True))
        good, bad = (_checked(line, row.pop(name), name) for name in (GOOD, BAD))
        yield Pair(good, bad, row)


def _fields(line: Line) -> list[str]:
    return [_unquoted(field) for field in line.text.split("\t")]


def _unquoted(field: str) -> str:
    """A field without the quotation marks that `csv` puts around one with quotation marks in it."""
    if len(field) > 1 and field[0] == field[-1] == '"':
        return field[1:-1].replace('""', '"')
    return field


def read_aligned_pairs(good: str, bad: str) -> Iterator[Pair]:
    """The pairs of two files; raises InputError with the line, also if one file has fewer lines."""
    for right, wrong in zip_longest(lines_of(good), lines_of(bad)):
        if right is None or wrong is None:
            longer, shorter = (wrong, good) if right is None else (right, bad)
            raise longer.error(f"{shorter} ends before this line; line n of the one belongs to line n of the other")
        yield Pair(_checked(right, right.text, "the sentence"), _checked(wrong, wrong.text, "the sentence"))


def read_agreement_pairs(source: str) -> Iterator[Pair]:
    """The pairs of NAME.text and NAME.gold, of which either is named: each sentence with both forms of its target.

    A literal `<eos>` at the end of a sentence is left out; scoring adds the line end. Raises InputError with the line.
    """
    for text, gold in zip_longest(*(lines_of(_other(source, ending)) for ending in (".text", ".gold"))):
        if text is None or gold is None:
            raise (text or gold).error("the other file ends before this line")
        yield _agreement_pair(text, gold)


def _other(source: str, ending: str) -> str:
    packed = ".gz" if source.endswith(".gz") else ""
    path = Path(source.removesuffix(".gz"))
    if path.suffix not in (".text", ".gold"):
        raise InputError(f"the layout agreement is of files NAME.text and NAME.gold, got {source}")
    return f"{path.with_suffix(ending)}{packed}"


def _agreement_pair(text: Line, gold: Line) -> Pair:
    fields = gold.text.split("\t")
    if len(fields) < _LEAST_COLUMNS:
        raise gold.error(f"expected at least {_LEAST_COLUMNS} fields separated by tabs, got {len(fields)}")
    words = AT_SEPARATORS.words(text.text)
    if words[-1:] == [EOS]:
        words.pop()
    index = fields[_INDEX]
    if not (index.isascii() and index.isdigit() and len(index) < 8 and int(index) < len(words)):
        raise gold.error(f"column {_INDEX + 1} must be the index of one of the {len(words)} words, got {quoted(index)}")
    forms = [fields[_RIGHT], fields[_WRONG]]
    for column, form in zip((_RIGHT, _WRONG), forms, strict=True):
        if AT_SEPARATORS.words(form) != [form]:
            raise gold.error(f"column {column + 1} must be one word, got {quoted(form)}")
    target = int(index)
    good, bad = (" ".join([*words[:target], form, *words[target + 1 :]]) for form in forms)
    return Pair(good, bad, {name: fields[column] for name, column in AGREEMENT_COLUMNS.items()})


LAYOUTS = {
    "jsonl": PairLayout(read_json_pairs, by=("UID",)),
    "tsv": PairLayout(read_tsv_pairs),
    "lines": PairLayout(read_aligned_pairs, files=2),
    "agreement": PairLayout(read_agreement_pairs, by=("attractors",), comparison="target"),
}

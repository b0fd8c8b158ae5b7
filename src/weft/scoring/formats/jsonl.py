"""`jsonl`: one JSON object for each token, with the headers of the columns as keys; an undefined value is null.

Text is written exactly, in UTF-8. `alternatives` is a list of objects. The logarithm of zero is written as -1e999,
which JSON readers convert to minus infinity; JSON has no other notation for infinity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

from weft.presentation.records import decimal, json_text
from weft.scoring.formats.columns import BY_DEFAULT, UnitColumn, columns_in_units
from weft.scoring.formats.layout import Layout, Lines
from weft.scoring.token_score import TokenScore


def write_jsonl(lines: Lines, layout: Layout) -> Iterator[str]:
    """The objects of each line as one string."""
    columns = columns_in_units(layout.columns or BY_DEFAULT, layout.unit, layout.unknown_as_na)
    members = [_member(column) for column in columns]
    for mode, scores in zip(cycle(layout.modes or [""]), lines):
        before = f'"mode": {json_text(mode)}, ' if mode else ""
        yield "".join([f"{{{before}{', '.join([member(score) for member in members])}}}\n" for score in scores])


def _member(column: UnitColumn) -> Callable[[TokenScore], str]:
    value, show = column.value, _show(column)
    if column.name == "alternatives":
        return lambda score: f'"alternatives": {show(value(score))}'

    def member(score: TokenScore) -> str:
        content = value(score)
        return f'"{column.header}": ' + ("null" if content is None else show(content))

    return member


def _show(column: UnitColumn) -> Callable[[Any], str]:
    match column.name:
        case "token" | "text":
            return json_text
        case "oov":
            return lambda oov: "true" if oov else "false"
        case "logprob" | "surprisal" | "entropy" | "entropy_reduction":
            return _number
        case "alternatives":
            key = column.header.replace("alternatives", "logprob")
            return lambda pairs: f"[{', '.join([_alternative(key, *pair) for pair in pairs])}]"
        case _:
            return str


def _alternative(key: str, token: str, logprob: float) -> str:
    return f'{{"token": {json_text(token)}, "{key}": {_number(logprob)}}}'


def _number(number: float) -> str:
    return decimal(number).replace("inf", "1e999").replace("nan", "null")

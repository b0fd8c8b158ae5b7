"""`jsonl`: one JSON object for each token, with the headers of the columns as keys; an undefined value is null.

`alternatives` is a list of objects. The logarithm of zero is written as -1e999, which JSON readers convert to minus
infinity; JSON has no other notation for infinity.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

from weft.scoring.formats.columns import BY_DEFAULT, UnitColumn, columns_in_units, decimal
from weft.scoring.formats.layout import Layout, Lines
from weft.scoring.token_score import TokenScore


def write_jsonl(lines: Lines, layout: Layout) -> Iterator[str]:
    """The objects of each line as one string."""
    members = [_member(column) for column in columns_in_units(layout.columns or BY_DEFAULT, layout.unit)]
    for mode, scores in zip(cycle(layout.modes or [""]), lines):
        before = f'"mode": {_string(mode)}, ' if mode else ""
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
            return _string
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
    return f'{{"token": {_string(token)}, "{key}": {_number(logprob)}}}'


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _number(number: float) -> str:
    text = decimal(number)
    return text.replace("inf", "1e999")

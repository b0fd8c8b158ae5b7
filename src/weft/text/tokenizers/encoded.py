"""A text as tokens, and where in the text as written each of them stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

Span = tuple[int, int]
"""First character, and the one after the last."""


@dataclass(frozen=True)
class Encoded:
    """`ids`: the tokens. `oov`: which stand for what is out of vocabulary. `spans`: `text[start:end]` of each.

    Where one character is several tokens (bytes, for byte-pair encoding), each of them has the whole character.
    """

    ids: list[int]
    oov: list[bool]
    spans: list[Span]


class LineEncoder(Protocol):
    """What a tokenizer does for `encode_with_spans`."""

    @property
    def eos_id(self) -> int: ...

    def encode_line_with_spans(self, line: str, /) -> Encoded: ...


def encode_with_spans(tokenizer: LineEncoder, text: str) -> Encoded:
    """The tokens of `text` with their places; every "\\n" and "\\r\\n" in it is one `<eos>`, and none is added."""
    if "\n" not in text:
        return tokenizer.encode_line_with_spans(text)
    whole = Encoded([], [], [])
    start = 0
    *ended, last = text.split("\n")
    for part in ended:
        line = part.removesuffix("\r")
        _add(whole, tokenizer.encode_line_with_spans(line), start)
        end = start + len(part) + 1
        _add(whole, Encoded([tokenizer.eos_id], [False], [(len(line), len(part) + 1)]), start)
        start = end
    _add(whole, tokenizer.encode_line_with_spans(last), start)
    return whole


def _add(whole: Encoded, part: Encoded, start: int) -> None:
    whole.ids.extend(part.ids)
    whole.oov.extend(part.oov)
    whole.spans.extend((start + first, start + last) for first, last in part.spans)


def original_spans(line: str, lowered: str, spans: list[Span]) -> list[Span]:
    """Spans of the lower-cased line as spans of the line as written, where a letter may be shorter than it became."""
    if len(line) == len(lowered):
        return spans
    origin = [index for index, character in enumerate(line) for _ in character.lower()]
    return [(origin[start], origin[end - 1] + 1) for start, end in spans]

"""Tokens of a text with their spans: which characters of the text, as it was written, each token covers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from weft.text.rules import BYTE_ORDER_MARK, line_spans

Span = tuple[int, int]
"""Index of the first character, and of the one after the last."""


@dataclass(frozen=True)
class Encoded:
    """Token ids, whether each token is out of vocabulary, and the span of each: `text[start:end]`.

    If a character is several tokens (its bytes, in byte-pair encoding), the span of each is the whole character.
    """

    ids: list[int]
    oov: list[bool]
    spans: list[Span]


class LineEncoder(Protocol):
    """The part of a tokenizer that `encode_with_spans` needs."""

    @property
    def eos_id(self) -> int: ...

    def encode_line_with_spans(self, line: str, /) -> Encoded: ...


def encode_with_spans(tokenizer: LineEncoder, text: str, marker: str = "") -> Encoded:
    """The tokens of `text` with their spans. Every line end is one `<eos>`, and none is added at the end.

    marker: a word that ends lines, see `weft.text.rules`; its span is empty.
    """
    if "\n" not in text and BYTE_ORDER_MARK not in text and not (marker and marker in text):
        return tokenizer.encode_line_with_spans(text)
    whole = Encoded([], [], [])
    for start, end, stop, ended in line_spans(text, marker):
        _add(whole, tokenizer.encode_line_with_spans(text[start:end]), start)
        if ended:
            _add(whole, Encoded([tokenizer.eos_id], [False], [(0, stop - end)]), end)
    return whole


def _add(whole: Encoded, part: Encoded, start: int) -> None:
    whole.ids.extend(part.ids)
    whole.oov.extend(part.oov)
    whole.spans.extend((start + first, start + last) for first, last in part.spans)


def original_spans(line: str, lowered: str, spans: list[Span]) -> list[Span]:
    """Spans in the lower-cased line as spans in the original line. Lower-casing can turn one letter into several."""
    if len(line) == len(lowered):
        return spans
    origin = [index for index, character in enumerate(line) for _ in character.lower()]
    return [(origin[start], origin[end - 1] + 1) for start, end in spans]

"""Surprisals that another program computed: a table in the format of LM-Zoo, and the places of its tokens.

    sentence_id<TAB>token_id<TAB>token<TAB>surprisal          numbers from 1, bits

The tokens of such a table have no offsets. They are found in the sentence one after another, without regard to case and
white space. "Ġ", "▁" and "##", which mark the beginning or the inside of a word, are no part of the text. A token for
unknown words covers the text up to the next token that is found, or one word.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from weft.errors import InputError, quoted
from weft.rescoring.list_lines import Line, lines_of
from weft.scoring.formats.lm_zoo import HEADER
from weft.stimuli.regions import Sentence
from weft.text.decimals import decimal

BOUNDARIES = {"<s>", "</s>", "<eos>", "<bos>", "<|endoftext|>", "[CLS]", "[SEP]", "[EOS]", "[BOS]"}
"""Tokens for the beginning and the end of a sentence."""

_UNKNOWN = re.compile(r"<[^\s<>]*unk[^\s<>]*>|\[unk\]|unk(-\S*)?", re.IGNORECASE)
_WORD = re.compile(r"\S+")


@dataclass(frozen=True)
class TableToken:
    """A row of a table; id: of the sentence."""

    id: int
    token: str
    surprisal_bits: float


@dataclass(frozen=True)
class PlacedToken:
    """A token with the characters of the sentence that it covers."""

    start: int
    end: int
    text: str
    surprisal_bits: float
    oov: bool


def read_surprisals(source: str) -> Iterator[list[TableToken]]:
    """The tokens of each sentence of a table. Raises MissingFileError, and InputError with the line."""
    lines = lines_of(source)
    first = next(lines, None)
    if first is None or tuple(first.text.split("\t")) != HEADER:
        raise InputError(f"{source} does not begin with the columns {' '.join(HEADER)}, separated by tabs")
    expected = 1
    for id, tokens in groupby(map(_token, lines), key=lambda token: token.id):
        if id != expected:
            raise InputError(f"{source}: after sentence {expected - 1} comes sentence {id}; they are numbered from 1")
        yield list(tokens)
        expected += 1


def _token(line: Line) -> TableToken:
    fields = line.text.split("\t")
    if len(fields) != len(HEADER):
        raise line.error(f"expected {len(HEADER)} fields separated by tabs, got {len(fields)}")
    id, _, token, bits = fields
    if not re.fullmatch("[0-9]{1,15}", id):
        raise line.error(f"the sentence_id must be a whole number, got {quoted(id)}")
    surprisal = decimal(bits)
    if not math.isfinite(surprisal):
        raise line.error(f"the surprisal must be a finite number, got {quoted(bits)}")
    if len(token) > 1 and token[0] == token[-1] == '"':
        token = token[1:-1].replace('""', '"')
    return TableToken(int(id), token, surprisal)


def placed_sentences(
    sentences: Iterable[Sentence], surprisals: Iterator[Sequence[TableToken]]
) -> Iterator[list[PlacedToken]]:
    """The tokens of each sentence with their places, as long as there are both; raises InputError as `placed` does."""
    for sentence, tokens in zip(sentences, surprisals, strict=False):
        yield placed(sentence.text, tokens)


def placed(text: str, tokens: Sequence[TableToken]) -> list[PlacedToken]:
    """The tokens with their places in `text`. Raises InputError for a token that is not where it should be."""
    found: list[PlacedToken] = []
    place = 0
    for index, token in enumerate(tokens):
        start = place + len(text[place:]) - len(text[place:].lstrip())
        bare = _bare(token.token)
        unknown = False
        if _is_at(text, start, bare):
            end = start + len(bare)
        elif token.token in BOUNDARIES:
            start = end = len(text) if start == len(text) else place
        elif _UNKNOWN.fullmatch(token.token) and start < len(text):
            end, unknown = _end_of_unknown(text, start, tokens[index + 1 :]), True
        else:
            raise InputError(
                f"sentence {token.id}: its token {index + 1}, {quoted(token.token, 40)}, is not at the place of "
                f"{quoted(text[start:], 40)}: is this the table of these sentences?"
            )
        found.append(PlacedToken(start, end, text[start:end], token.surprisal_bits, unknown))
        place = end
    if text[place:].strip():
        which = f"sentence {tokens[0].id}: " if tokens else ""
        raise InputError(f"{which}there are no tokens for {quoted(text[place:].strip(), 40)}")
    return found


def _bare(token: str) -> str:
    return token.lstrip("Ġ▁").removeprefix("##")


def _is_at(text: str, place: int, token: str) -> bool:
    return text[place : place + len(token)].casefold() == token.casefold()


def _end_of_unknown(text: str, start: int, following: Sequence[TableToken]) -> int:
    """Where the text of a token for unknown words ends."""
    word = _WORD.match(text, start)
    end_of_word = len(text) if word is None else word.end()
    if not following or following[0].token in BOUNDARIES or _UNKNOWN.fullmatch(following[0].token):
        return end_of_word
    next_token = _bare(following[0].token)
    for end in range(start + 1, len(text)):
        begins = not (text[end - 1].isalnum() and text[end].isalnum())
        if begins and not text[end].isspace() and _is_at(text, end, next_token):
            return len(text[:end].rstrip())
    return end_of_word

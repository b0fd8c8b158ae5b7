"""Decoding: from UTF-8 bytes to pieces of text, that is lines and parts of very long lines."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator

from weft.errors import InputError
from weft.text.byte_sources import ByteSource, GzipSource
from weft.text.facts import TextFacts
from weft.text.rules import BYTE_ORDER_MARK, LONGEST_WORD

LONGEST_PIECE = 1 << 12
"""Most characters in a piece, not counting its "\\n", unless a word is longer."""

BATCH_CHARACTERS = 1 << 18
"""Approximate number of characters in a batch of pieces."""

WORDS_IN_CACHE = 1 << 13
"""Characters in a batch whose words, as separate strings, fit into the cache of a processor core."""


def decoded(source: ByteSource, blocks: Iterator[bytes]) -> Iterator[str]:
    """Blocks of bytes as text. A block may end within a character.

    Raises InputError, with the byte offset, for bytes that are not UTF-8, a zero byte, and text in another encoding.
    """
    name = source.name
    where = "of the decompressed text" if isinstance(source, GzipSource) else ""
    data, start = b"", 0
    for number, block in enumerate(blocks):
        if number == 0:
            _refuse_other_encodings(name, block)
        data += block
        if (zero := data.find(0)) >= 0:
            raise InputError(f"{name} looks binary: there is a zero byte at byte {start + zero} {where}".rstrip())
        text, used = _utf8(name, data, start, where, final=False)
        yield text
        data, start = data[used:], start + used
    _utf8(name, data, start, where, final=True)


def _utf8(name: str, data: bytes, start: int, where: str, *, final: bool) -> tuple[str, int]:
    try:
        return codecs.utf_8_decode(data, "strict", final)
    except UnicodeDecodeError as error:
        place = f"byte {start + error.start} {where}".rstrip()
        raise InputError(
            f"{name} is not UTF-8: {error.reason} 0x{data[error.start]:02x} at {place}; convert it to UTF-8 first"
        ) from None


def _refuse_other_encodings(name: str, first: bytes) -> None:
    if first.startswith(b"\x1f\x8b"):
        raise InputError(f"{name} looks compressed with gzip: decompress it, or give it a name that ends in .gz")
    for encoding, marks in {
        "UTF-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
        "UTF-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
    }.items():
        if first.startswith(marks):
            raise InputError(
                f"{name} looks like {encoding} (byte-order mark at byte 0), but must be UTF-8; convert it, for example "
                f"with: iconv -f {encoding} -t UTF-8 {name} > utf8.txt"
            )


class Pieces(Iterator[str]):
    """The pieces of a text: lines with their "\\n", and parts of long lines, which end between two words.

    A reader of lines tells by this type that an element without "\\n" is no line of its own.
    """

    def __init__(self, pieces: Iterator[str]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[str]:
        return self._pieces  # a loop over the pieces then takes no call of this class for each

    def __next__(self) -> str:
        return next(self._pieces)


def pieces_of(texts: Iterable[str], facts: TextFacts | None = None) -> Iterator[str]:
    """Blocks of text as pieces: lines with their "\\n", and parts of lines longer than LONGEST_PIECE.

    facts  receives what is worth a note about the text
    """
    rest = ""
    is_line_start = True
    for text in texts:
        if facts is not None:
            facts.add_block(text)
        text = rest + text
        *lines, rest = text.split("\n")
        if "\r" in text:  # in `rest` it stays until the next block shows whether a "\n" follows
            lines = [line.rstrip("\r") for line in lines]
        if BYTE_ORDER_MARK in text:
            *lines, rest = _without_marks([*lines, rest], is_line_start)
        if facts is not None:
            facts.add_lines(text, len(lines))
        for line in lines:
            if len(line) <= LONGEST_PIECE:
                yield line + "\n"
            else:
                yield from _cut(line + "\n")
        is_line_start = is_line_start or bool(lines)
        if len(rest) > LONGEST_PIECE:
            *parts, rest = _cut(rest)
            yield from parts
            is_line_start = is_line_start and not parts
    if rest := rest.rstrip("\r"):
        if facts is not None:
            facts.add_lines(rest + "\n", 0)
        yield from _cut(rest + "\n")


def batches_of(pieces: Iterable[str], characters: int = BATCH_CHARACTERS) -> Iterator[list[str]]:
    """The pieces in batches of about `characters`, since a few function calls a line would dominate the time."""
    batch: list[str] = []
    size = 0
    for piece in pieces:
        batch.append(piece)
        size += len(piece)
        if size >= characters:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def cut_anywhere(pieces: Iterable[str]) -> Iterator[str]:
    """The pieces in parts of at most LONGEST_PIECE characters, not counting a "\\n": longer words are cut."""
    for piece in pieces:
        if len(piece) <= LONGEST_PIECE:
            yield piece
            continue
        last = (len(piece) - 1 - piece.endswith("\n")) // LONGEST_PIECE * LONGEST_PIECE
        yield from (piece[start : start + LONGEST_PIECE] for start in range(0, last, LONGEST_PIECE))
        yield piece[last:]


def _without_marks(lines: list[str], is_line_start: bool) -> list[str]:
    """`lines` without byte-order marks at their beginnings; is_line_start: whether the first one has its beginning."""
    return [line.lstrip(BYTE_ORDER_MARK) if index or is_line_start else line for index, line in enumerate(lines)]


def _cut(line: str) -> Iterator[str]:
    """A line in parts of at most LONGEST_PIECE characters, not counting its "\\n". A longer word is in one part."""
    length = len(line.removesuffix("\n"))
    start = 0
    while length - start > LONGEST_PIECE:
        end = _last_place(line, start, start + LONGEST_PIECE)
        if end == start:
            found, word = _PLACE.search(line, start + LONGEST_PIECE), _NO_BLANK.search(line, start)
            blanks = word.start() - start if word else length - start
            end = min(found.start() if found else length, start + LONGEST_WORD + blanks * (blanks < LONGEST_WORD))
        if end >= length:
            break
        yield line[start:end]
        start = end
    yield line[start:]


_NO_BLANK = re.compile(r"[^ \t]")
_PLACE = re.compile(r"(?<=\S)[ \t]")
"""Where a line can be cut: white space that ends a word by every rule and for every tokenizer, the first of a run."""


def _last_place(line: str, start: int, end: int) -> int:
    """The last place from `start` + 1 to `end` where the line can be cut, otherwise `start`."""
    place = end + 1
    while (place := max(line.rfind(" ", start + 1, place), line.rfind("\t", start + 1, place))) > 0:
        if not line[place - 1].isspace():
            return place
    return start

"""Decoding: from UTF-8 bytes to pieces of text, that is lines and parts of very long lines."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator

from weft.errors import InputError
from weft.text.byte_sources import ByteSource, GzipSource

LONGEST_PIECE = 1 << 12
"""Most characters in a piece, not counting its "\\n"."""

BATCH_CHARACTERS = 1 << 18
"""Approximate number of characters in a batch of pieces."""


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
            start = len(codecs.BOM_UTF8) if block.startswith(codecs.BOM_UTF8) else 0
            block = block[start:]
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


def pieces_of(texts: Iterator[str]) -> Iterator[str]:
    """Blocks of text as pieces: lines with their "\\n", and parts of lines longer than LONGEST_PIECE."""
    rest = ""
    for text in texts:
        # A "\r" at the end stays in `rest` until the next block shows whether a "\n" follows.
        *lines, rest = (rest + text).replace("\r\n", "\n").split("\n")
        for line in lines:
            if len(line) <= LONGEST_PIECE:
                yield line + "\n"
            else:
                yield from _cut(line + "\n")
        if len(rest) > LONGEST_PIECE:
            *parts, rest = _cut(rest)
            yield from parts
    if rest:
        yield from _cut(rest.removesuffix("\r") + "\n")


def batches_of(pieces: Iterable[str]) -> Iterator[list[str]]:
    """The pieces in batches of about BATCH_CHARACTERS, since a few function calls a line would dominate the time."""
    batch: list[str] = []
    size = 0
    for piece in pieces:
        batch.append(piece)
        size += len(piece)
        if size >= BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _cut(line: str) -> Iterator[str]:
    """A line in parts of at most LONGEST_PIECE characters, not counting its "\\n". Only longer words are cut."""
    length = len(line.removesuffix("\n"))
    start = 0
    while length - start > LONGEST_PIECE:
        window = line[start : start + LONGEST_PIECE + 1]
        cut = LONGEST_PIECE
        if not window[-1].isspace():
            before_last_word = len(window) - len(window.rsplit(None, 1)[-1]) - 1
            cut = before_last_word if before_last_word > 0 else LONGEST_PIECE
        yield line[start : start + cut]
        start += cut
    yield line[start:]

"""Counting the characters, bytes and words of a text while it is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from weft.text.decoding import Pieces
from weft.text.rules import AT_SEPARATORS
from weft.text.size import TextSize


class SizeCounter:
    """Adds up the size of a text while its pieces are read."""

    def __init__(self) -> None:
        self.size = TextSize(0, 0, 0)

    def counting(self, pieces: Iterable[str]) -> Pieces:
        """The same pieces, which end between words; `size` is that of the pieces read so far."""
        return Pieces(self._counted(pieces))

    def _counted(self, pieces: Iterable[str]) -> Iterator[str]:
        for piece in pieces:
            characters, in_bytes, words = self.size
            in_bytes += len(piece) if piece.isascii() else len(piece.encode("utf-8", "surrogatepass"))
            words += len(AT_SEPARATORS.words(piece)) + piece.count("\n")
            self.size = TextSize(characters + len(piece), in_bytes, words)
            yield piece

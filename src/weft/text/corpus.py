"""A corpus: text from files, folders, glob patterns, gzip files, standard input or the built-in text, read in pieces.

A piece is a line with its "\\n", or a part of a very long line. Only "\\n" and "\\r\\n" end a line. The text is read
lazily and in constant memory, and can be read repeatedly.
"""

from __future__ import annotations

import codecs
import glob
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import cast

from weft.errors import InputError, MissingFileError, nearest
from weft.text.byte_sources import BuiltinSource, ByteSource, SpooledSource, file_source, standard_input
from weft.text.decoding import decoded, pieces_of

OnBytes = Callable[[int], None]
"""Called with the decompressed bytes read so far, over all sources."""


class Corpus:
    """An ordered set of sources; see `open_corpus`.

    names    names of the sources, in order
    skipped  empty and binary files that were found in folders or by patterns, and are not read
    """

    def __init__(self, sources: Sequence[ByteSource], skipped: Sequence[str] = ()) -> None:
        self._sources = tuple(sources)
        self.names = tuple(source.name for source in sources)
        self.skipped = tuple(skipped)

    @property
    def size_in_bytes(self) -> int | None:
        """Size of the text in bytes. None if unknown, as for gzip files, and for standard input before it is read."""
        sizes = [source.size for source in self._sources]
        return None if None in sizes else sum(cast("list[int]", sizes))

    def pieces(self, on_bytes: OnBytes | None = None) -> Iterator[str]:
        """The text from its beginning, in pieces of at most LONGEST_PIECE characters and a "\\n".

        A longer line is cut, before white space if possible, and only its last piece ends in "\\n". "\\r\\n" becomes
        "\\n". The last line of every source gets a "\\n" if it has none.

        Raises InputError for a source that is empty, binary, not UTF-8 or cannot be read, and if all sources together
        contain only white space; MissingFileError for a source that no longer exists.
        """
        read = 0

        def counted(blocks: Iterator[bytes]) -> Iterator[bytes]:
            nonlocal read
            for block in blocks:
                read += len(block)
                if on_bytes is not None:
                    on_bytes(read)
                yield block

        only_space = True
        for source in self._sources:
            empty = True
            for piece in pieces_of(decoded(source, counted(source.blocks()))):
                empty = False
                only_space = only_space and piece.isspace()
                yield piece
            if empty:
                raise InputError(f"{source.name} is empty")
        if only_space:
            raise InputError(f"there is only white space in {', '.join(self.names)}")


def open_corpus(sources: str | Path | Sequence[str | Path]) -> Corpus:
    """The corpus of `sources`, in the order given.

    A source is a file, a `.gz` file, a folder (its text files and those of its subfolders, sorted by path), a glob
    pattern, for example "texts/**/*.txt", "-" (standard input) or "builtin". A `Path` is always a file or folder.
    Hidden files in folders are ignored. Empty and binary files in folders are skipped and listed in `Corpus.skipped`.

    Raises MissingFileError for a file or folder that does not exist and a pattern without matches, and InputError for
    no source, a folder or pattern without text files, and standard input given twice.
    """
    sources = [sources] if isinstance(sources, (str, Path)) else list(sources)
    if not sources:
        raise InputError("no text is given: name at least one file, folder or pattern")
    if sources.count("-") > 1:
        raise InputError("standard input ('-') is given twice, but can be read only once")
    found: list[ByteSource] = []
    skipped: list[str] = []
    for source in sources:
        if source == "-":
            found.append(SpooledSource("standard input", standard_input))
        elif source == "builtin":
            found.append(BuiltinSource())
        else:
            _find(Path(source).expanduser(), found, skipped)
    return Corpus(found, skipped)


def _find(path: Path, found: list[ByteSource], skipped: list[str]) -> None:
    if path.is_dir():
        candidates = _files_under(path)
    elif path.exists():
        found.append(file_source(path))
        return
    elif glob.has_magic(str(path)):
        matches = map(Path, glob.glob(str(path), recursive=True))  # noqa: PTH207 (Path.glob takes no absolute pattern)
        files = {file for match in matches for file in (_files_under(match) if match.is_dir() else [match])}
        candidates = sorted(files, key=lambda file: file.parts)
        if not candidates:
            raise MissingFileError(f"no file matches the pattern {path}")
    else:
        siblings = os.listdir(path.parent) if os.access(path.parent, os.R_OK) else []  # noqa: PTH208 (names only)
        raise MissingFileError(f"there is no file or folder {path}{nearest(path.name, siblings)}")
    texts: list[ByteSource] = []
    for source in map(file_source, candidates):
        if _looks_like_text(source):
            texts.append(source)
        else:
            skipped.append(source.name)
    if not texts:
        raise InputError(f"there is no text file in {path}")
    found += texts


def _files_under(folder: Path) -> list[Path]:
    def refuse(error: OSError) -> None:
        raise InputError(f"cannot read {error.filename}: {error.strerror}")

    files: list[Path] = []
    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        files += (Path(parent, name) for name in names if not name.startswith("."))
    return sorted((file for file in files if file.is_file()), key=lambda file: file.parts)


def _looks_like_text(source: ByteSource) -> bool:
    first = next(source.blocks(), b"").removeprefix(codecs.BOM_UTF8)
    # UTF-16 has zero bytes but is text. It is not skipped silently: reading it raises an error that says what to do.
    return bool(first) and (b"\0" not in first or first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)))

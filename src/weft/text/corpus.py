"""A corpus: text from files, folders, glob patterns, gzip files, standard input or the built-in text, read in pieces.

A piece is a line with its "\\n", or a part of a very long line, which is cut between words. `weft.text.rules` says what
a line and a word are. The text is read lazily and in constant memory, and can be read repeatedly.
"""

from __future__ import annotations

import codecs
import glob
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, cast

from weft.errors import InputError, MissingFileError
from weft.text.byte_sources import BuiltinSource, ByteSource, SpooledSource, file_source, standard_input
from weft.text.decoding import Pieces, decoded, pieces_of
from weft.text.facts import TextFacts
from weft.text.paths import check_readable, exists, hint, missing, shown, user_path
from weft.text.rules import AT_SEPARATORS, at_markers

OnBytes = Callable[[int], None]
"""Called with the decompressed bytes read so far, over all sources."""


class Corpus:
    """An ordered set of sources; see `open_corpus`.

    names    names of the sources, in order
    skipped  empty and binary files that were found in folders or by patterns, and are not read
    others   pipes, devices, links that lead nowhere, and second paths to a file, found likewise and not read
    marker   the word that ends lines as a line end does, see `weft.text.rules`; "" for none
    """

    def __init__(
        self,
        sources: Sequence[ByteSource],
        skipped: Sequence[str] = (),
        others: Sequence[str] = (),
        marker: str = "",
    ) -> None:
        self._sources = tuple(sources)
        self._facts: dict[str, TextFacts] = {}
        self.names = tuple(source.name for source in sources)
        self.skipped, self.others = tuple(skipped), tuple(others)
        self.marker = marker

    @property
    def size_in_bytes(self) -> int | None:
        """Size of the text in bytes. None if unknown, as for gzip files, and for standard input before it is read."""
        sizes = [source.size for source in self._sources]
        return None if None in sizes else sum(cast("list[int]", sizes))

    @property
    def was_read(self) -> bool:
        """Whether some source was read to its end."""
        return bool(self._facts)

    def skip_notes(self) -> list[str]:
        """What is not read, with the reason, one line for each reason."""
        reasons = {
            "they are empty or binary": self.skipped,
            "they are pipes, devices, broken links, or links to files that are read": self.others,
        }
        return [f"not read, because {reason}: {_some(names)}" for reason, names in reasons.items() if names]

    def notes(self) -> list[str]:
        """What deserves a note about the sources read so far, one line for each fact."""
        return [note for name, facts in self._facts.items() for note in facts.notes(name, self.marker)]

    def pieces(self, on_bytes: OnBytes | None = None) -> Pieces:
        """The text from its beginning, in pieces of at most LONGEST_PIECE characters and a "\\n".

        A longer line is cut before white space, and only its last piece ends in "\\n". A piece is longer if a word is.
        "\\r\\n" becomes "\\n". The last line of every source gets a "\\n" if it has none.

        Raises InputError for a source that is empty, binary, not UTF-8, has changed since it was read or cannot be
        read, and if all sources together contain only white space; MissingFileError for a source that no longer exists.
        """
        pieces = self._pieces(on_bytes)
        return Pieces(at_markers(pieces, self.marker) if self.marker else pieces)

    def _pieces(self, on_bytes: OnBytes | None) -> Iterator[str]:
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
            facts = None if source.name in self._facts else TextFacts()
            for piece in pieces_of(decoded(source, counted(source.blocks())), facts):
                empty = False
                only_space = only_space and AT_SEPARATORS.separates(piece)
                yield piece
            if empty:
                raise InputError(f"{source.name} is empty")
            if facts is not None:
                self._facts[source.name] = facts
        if only_space:
            raise InputError(f"there is only white space in {', '.join(self.names)}")


def open_corpus(sources: str | Path | Sequence[str | Path], marker: str = "") -> Corpus:
    """The corpus of `sources`, in the order given.

    A source is a file, a `.gz` file, a folder (its text files and those of its subfolders, sorted by path), a glob
    pattern, for example "texts/**/*.txt", "-" (standard input) or "builtin". A `Path` is always a file or folder.
    Hidden files in folders are ignored. What is no text file in a folder or among the matches of a pattern is not read
    and listed in the corpus. A pipe is read if it is named itself. marker: see `Corpus`.

    Raises MissingFileError for a file or folder that does not exist and a pattern without matches, and InputError for
    no source, a folder or pattern without text files, sockets and devices, and standard input given twice.
    """
    sources = [sources] if isinstance(sources, (str, Path)) else list(sources)
    if not sources:
        raise InputError("no text is given: name at least one file, folder or pattern")
    if sources.count("-") > 1:
        raise InputError("standard input ('-') is given twice, but can be read only once")
    found = _Found([], [], [])
    for source in sources:
        if source == "-":
            found.sources.append(SpooledSource("standard input", standard_input))
        elif source == "builtin":
            found.sources.append(BuiltinSource())
        else:
            _find(user_path(source), found)
    return Corpus(*found, marker)


class _Found(NamedTuple):
    """The sources and names of a `Corpus` found so far."""

    sources: list[ByteSource]
    skipped: list[str]
    others: list[str]


def _find(path: Path, found: _Found) -> None:
    if path.is_dir():
        candidates = _files_under(path)
    elif exists(path):
        check_readable(path)
        found.sources.append(file_source(path))
        return
    elif glob.has_magic(str(path)):
        files = {file for match in _matches(path) for file in (_files_under(match) if match.is_dir() else [match])}
        candidates = sorted(files, key=lambda file: (len(file.parts), file.parts))
        if not candidates:
            raise MissingFileError(f"no file matches the pattern {shown(path)}{hint(path, ())}")
    else:
        raise missing(path)
    texts: dict[Path, ByteSource] = {}
    for file in candidates:
        if not file.is_file() or (real := file.resolve()) in texts:
            found.others.append(str(file))
        elif _looks_like_text(source := file_source(file)):
            texts[real] = source
        else:
            found.skipped.append(source.name)
    if not texts:
        raise InputError(f"there is no text file in {shown(path)}")
    found.sources.extend(sorted(texts.values(), key=lambda source: Path(source.name).parts))


def _matches(pattern: Path) -> set[Path]:
    """What matches a pattern. `**` is any number of folders, links to folders included, but none a second time.

    With `glob.glob`, links to folders above would match in every order and up to 40 at a time.
    """
    if "**" not in pattern.parts:
        return set(map(Path, glob.glob(str(pattern))))  # noqa: PTH207 (Path.glob takes no absolute pattern)
    place = pattern.parts.index("**")
    before, after = Path(*pattern.parts[:place]), pattern.parts[place + 1 :]
    found: set[Path] = set()
    for base in _matches(before) if glob.has_magic(str(before)) else {before}:
        for folder in _folders_under(base):
            found |= _matches(Path(glob.escape(str(folder)), *after)) if after else {folder}
    return found


def _folders_under(folder: Path) -> Iterator[Path]:
    """A folder and its subfolders, without hidden ones, each once although links lead to it."""
    seen: set[Path] = set()
    waiting = [folder]
    while waiting:
        folder = waiting.pop(0)
        if not folder.is_dir() or (real := folder.resolve()) in seen:
            continue
        seen.add(real)
        yield folder
        try:
            waiting += sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
        except OSError:
            continue  # as `glob` passes over a folder that cannot be read


def _files_under(folder: Path) -> list[Path]:
    """All files, links and special files in a folder and its subfolders, without hidden ones."""

    def refuse(error: OSError) -> None:
        raise InputError(f"cannot read {error.filename}: {error.strerror}")

    files: list[Path] = []
    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        files += (Path(parent, name) for name in names if not name.startswith("."))
    return sorted(files, key=lambda file: file.parts)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return ", ".join(map(shown, names[:3])) + more


def _looks_like_text(source: ByteSource) -> bool:
    first = next(source.blocks(), b"").removeprefix(codecs.BOM_UTF8)
    # UTF-16 has zero bytes but is text. It is not skipped silently: reading it raises an error that says what to do.
    return bool(first) and (b"\0" not in first or first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)))

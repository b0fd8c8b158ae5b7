"""Download of named corpora: if one address fails, the next one is used, and every file is checked.

A file is downloaded as `NAME.part` in the folder of the corpus, and renamed once its size and SHA-256 are right. All
addresses of a file serve the same content, so a download from one address is continued from another.
"""

from __future__ import annotations

import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import unquote, urlsplit

from weft.errors import InputError, MissingFileError
from weft.text.catalogue import Address, NamedCorpus, NamedFile, data_folders, known_corpus, local_files, mismatch
from weft.text.http import CHUNK, AddressError, OnBytes, move_into_place, receive, store

OnProgress = Callable[[int, int], None]
"""Called with the bytes received so far and the total, over all files to download."""

_ARCHIVE_ERRORS = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    OSError,
    EOFError,
    KeyError,
    RuntimeError,
)


def fetch_corpus(name: str, on_progress: OnProgress | None = None) -> dict[str, Path]:
    """The files of the corpus `name`, by split; those that are not on this machine are downloaded.

    An interrupted call leaves `.part` files, from which the next call continues. Raises InputError for an unknown name,
    for a local file with other content and for folders that cannot be written; MissingFileError, naming the paths to
    put the files in by hand, if no address serves them.
    """
    corpus = known_corpus(name)
    paths = local_files(corpus)
    missing = {split: file for split, file in corpus.files.items() if split not in paths}
    if not missing:
        return paths
    folder = _writable_folder(corpus)
    report = on_progress or (lambda done, total: None)
    total = sum(file.bytes for file in missing.values())
    done = 0
    for split, file in missing.items():
        try:
            _fetch_file(file, folder, _scaled(report, done, file.bytes, total))
        except AddressError as error:
            by_hand = ", ".join(str(folder / other.name) for key, other in missing.items() if key not in paths)
            raise MissingFileError(
                f"the corpus {name} is not here and cannot be fetched ({error}); put the files there by hand: {by_hand}"
            ) from error
        paths[split] = folder / file.name
        done += file.bytes
        report(done, total)
    _remove_leftovers(missing.values(), folder)
    return {split: paths[split] for split in corpus.files}


def _writable_folder(corpus: NamedCorpus) -> Path:
    folders = [folder / corpus.name for folder in data_folders()]
    for folder in folders:
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
    raise InputError(f"cannot write in {' or '.join(map(str, folders))}; set WEFT_DATA to a folder that can be written")


def _scaled(on_progress: OnProgress, done: int, size: int, total: int) -> OnBytes:
    """Progress of one file, or of the archive that contains it, as progress of all files."""

    def report(position: int, length: int | None) -> None:
        if length:
            on_progress(done + min(size, size * position // length), total)

    return report


def _fetch_file(file: NamedFile, folder: Path, on_bytes: OnBytes) -> None:
    """Download `file` into `folder` from the first address that serves it. Raises AddressError with all failures."""
    failures: list[str] = []
    for address in file.addresses:
        try:
            if address.member is None:
                _fetch_plain(address.url, file, folder, on_bytes)
            else:
                _fetch_member(address, address.member, file, folder, on_bytes)
        except AddressError as error:
            if mismatch(folder / file.name, file) is None:
                return  # another process has downloaded it meanwhile
            failures.append(f"{urlsplit(address.url).hostname}: {error}")
        else:
            return
    raise AddressError("; ".join(dict.fromkeys(failures)))


def _fetch_plain(url: str, file: NamedFile, folder: Path, on_bytes: OnBytes) -> None:
    part = _part_of(folder / file.name)
    resumed = part.exists()
    while True:
        receive(url, part, file.bytes, on_bytes)
        wrong = mismatch(part, file)
        if wrong is None:
            move_into_place(part, folder / file.name)
            return
        part.unlink(missing_ok=True)
        if not resumed:
            raise AddressError(f"wrong content, {wrong}")
        resumed = False  # the partial file may be wrong: download the whole file


def _fetch_member(address: Address, member: str, file: NamedFile, folder: Path, on_bytes: OnBytes) -> None:
    archive = folder / _archive_name(address)
    part = _part_of(archive)
    fresh = False
    while True:
        if not archive.exists():
            fresh = not part.exists()
            receive(address.url, part, None, on_bytes)
            move_into_place(part, archive)
        try:
            _extract(archive, member, file, folder)
        except AddressError:
            archive.unlink(missing_ok=True)
            if fresh:
                raise
        else:
            return


def _extract(archive: Path, member: str, file: NamedFile, folder: Path) -> None:
    extracted = folder / f"{file.name}.extracted"
    try:
        for _ in store(_member_chunks(archive, member, file.bytes), extracted, 0):
            pass
        wrong = mismatch(extracted, file)
        if wrong is not None:
            raise AddressError(f"wrong content, {wrong}")
        move_into_place(extracted, folder / file.name)
    finally:
        extracted.unlink(missing_ok=True)


def _member_chunks(archive: Path, member: str, size: int) -> Iterator[bytes]:
    """The chunks of one member of an archive, at most one chunk beyond `size` bytes."""
    read_bytes = 0
    try:
        with _opened(archive) as opened, _content(opened, member) as content:
            while read_bytes <= size and (chunk := content.read(CHUNK)):
                read_bytes += len(chunk)
                yield chunk
    except _ARCHIVE_ERRORS as error:
        raise AddressError(f"{archive.name} has no readable {member}") from error


def _opened(archive: Path) -> zipfile.ZipFile | tarfile.TarFile:
    return zipfile.ZipFile(archive) if zipfile.is_zipfile(archive) else tarfile.open(archive, "r:gz")


def _content(opened: zipfile.ZipFile | tarfile.TarFile, member: str) -> IO[bytes]:
    if isinstance(opened, zipfile.ZipFile):
        return opened.open(member)
    content = opened.extractfile(member)
    if content is None:
        raise KeyError(member)
    return content


def _archive_name(address: Address) -> str:
    return PurePosixPath(unquote(urlsplit(address.url).path)).name


def _part_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _remove_leftovers(files: Iterable[NamedFile], folder: Path) -> None:
    """Remove archives and partial downloads, once every file is complete."""
    for file in files:
        archives = [folder / _archive_name(address) for address in file.addresses if address.member is not None]
        for path in (_part_of(folder / file.name), *archives, *map(_part_of, archives)):
            with suppress(OSError):
                path.unlink(missing_ok=True)

"""Files by the names that a user gives: home folders, names of nothing, and names of what is no file."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from weft.errors import InputError, MissingFileError, nearest

LONGEST_SHOWN = 60


def user_path(name: str | Path) -> Path:
    """The path `name`, in which a leading `~` or `~user` is that home folder, unless a file has this very name.

    A name such as `~notes.txt`, where there is no user of that name, is a file name like any other.
    """
    path = Path(name)
    if not exists(path):
        with suppress(RuntimeError):
            return path.expanduser()
    return path


def exists(path: Path) -> bool:
    """Whether there is a file or folder at `path`; no name is an error."""
    with suppress(OSError, ValueError):
        return path.exists()
    return False


def missing(path: Path, what: str = "file or folder") -> MissingFileError:
    """The error for a `path` at which nothing can be found; it says why, or what is to be done."""
    with suppress(OSError, ValueError):
        if path.is_symlink():
            return MissingFileError(f"{shown(path)} is a symbolic link {_where_it_leads(path)}")
    return MissingFileError(f"there is no {what} {shown(path)}{hint(path)}")


def hint(path: Path, known: Sequence[str] | None = None) -> str:
    """What a user may have meant by a name of nothing; "" if that cannot be guessed.

    known  names that may have been meant; by default those in the folder of `path`
    """
    name = str(path)
    if re.search(r"[\x00-\x09\x0b-\x1f\x7f]", name) or re.match(r"[A-Za-z]:\n", name):
        return (
            "; the name contains control characters, which a backslash in double quotes makes in a TOML file: write "
            "paths in single quotes there"
        )
    if looks_like_text(name):
        return "; this looks like a text, not a name: write the text to a file, or pipe it to '-', standard input"
    return nearest(path.name, _siblings(path) if known is None else known)


def looks_like_text(name: str) -> bool:
    """Whether `name` can hardly be meant as the name of a file: it has lines, several words, or is too long."""
    if "\n" in name or _is_too_long(name):
        return True
    return len(name.split()) > 2 and not re.search(r"[/\\*]|\.\w{1,5}$", name)


def check_name(name: str) -> None:
    """Raise InputError if `name` cannot be the name of a text: it is a text itself, or too long."""
    if ("\n" in name or _is_too_long(name)) and not exists(Path(name)):
        raise InputError(f"expected the name of a file, a folder or a corpus, got {shown(name)}{hint(Path(name))}")


def _is_too_long(name: str) -> bool:
    return any(len(os.fsencode(part)) > 255 for part in re.split(r"[/\\]" if os.name == "nt" else "/", name))


def shown(path: Path | str) -> str:
    """A name for a message: at most LONGEST_SHOWN characters, unprintable ones escaped."""
    name = str(path)
    short = name if len(name) <= LONGEST_SHOWN or not looks_like_text(name) else name[:LONGEST_SHOWN] + "…"
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in short)


def check_readable(path: Path) -> None:
    """Raise InputError for something that is neither a file nor a folder nor a stream with an end: sockets, devices."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return  # opening the file gives the reason
    if stat.S_ISSOCK(mode):
        raise InputError(f"{shown(path)} is a socket, not a text")
    if stat.S_ISBLK(mode) or (stat.S_ISCHR(mode) and not _ends(path)):
        raise InputError(f"{shown(path)} is a device, not a text")


def _ends(device: Path) -> bool:
    """Whether a device is a terminal or the null device; others are endless, or no text."""
    if device.samefile(os.devnull):
        return True
    try:
        descriptor = os.open(device, os.O_RDONLY | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return False
    try:
        return os.isatty(descriptor)
    finally:
        os.close(descriptor)


def _where_it_leads(link: Path) -> str:
    try:
        link.stat()
    except FileNotFoundError:
        return f"to {shown(link.readlink())}, where there is nothing"
    except OSError:
        pass
    return "that leads in a circle, so there is no file"


def _siblings(path: Path) -> list[str]:
    try:
        return [entry.name for entry in path.parent.iterdir()]
    except (OSError, ValueError):
        return []

"""Files that a command is to write: whether they can be, asked before the work is done."""

from __future__ import annotations

from pathlib import Path

from weft.errors import InputError


def check_place(path: Path, what: str) -> None:
    """Raise InputError unless a file can be made at `path`, as far as its name shows; `what` it is to hold."""
    if path.is_dir():
        raise InputError(f"{path} is a folder: name a file for {what}")
    if not path.parent.is_dir():
        raise InputError(f"there is no folder {path.parent} for {what}, {path.name}: make it first")

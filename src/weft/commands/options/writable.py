"""Checks, before the work, that the output files of a command can be written."""

from __future__ import annotations

from pathlib import Path

from weft.errors import InputError


def check_writable(path: Path, content: str) -> None:
    """Raise InputError if `path` is a folder or its folder does not exist. content: named in the message."""
    if path.is_dir():
        raise InputError(f"{path} is a folder: name a file for {content}")
    if not path.parent.is_dir():
        raise InputError(f"there is no folder {path.parent} for {content}, {path.name}: make it first")

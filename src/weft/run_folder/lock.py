"""The lock of a run folder, held by everything that writes there; readers need none.

The lock is one of the operating system on the file `.lock` of the folder, so it ends with the process, however that
ends. The file contains the number of the process. It is removed with the lock; one that a killed process has left is
locked by the next. On a file system without locks, the file is in the folder for temporary files of this machine.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from weft.errors import InputError
from weft.files.locking import try_lock
from weft.run_folder.layout import LOCK, created, writing

ATTEMPTS = 5
SECONDS_BETWEEN_ATTEMPTS = 0.02


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """A context manager that holds the lock of the run folder `run`, which is created if it does not exist.

    A folder that was created and is still empty at the end is removed. Raises InputError at once if another process
    holds the lock, and if the folder cannot be written.
    """
    with created(run):
        with writing(run):
            path, descriptor = _acquire(run)
        try:
            yield
        finally:
            _release(path, descriptor)


def is_locked(run: Path) -> bool:
    """Whether a process is writing into the folder `run`."""
    for path in (run / LOCK, _elsewhere(run)):
        with suppress(OSError), path.open("rb+") as file:
            if try_lock(file.fileno()) is False:
                return True
    return False


def _acquire(run: Path) -> tuple[Path, int]:
    for path in (run / LOCK, _elsewhere(run)):
        for _ in range(ATTEMPTS):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            got = try_lock(descriptor)
            if got is None or (got and _is_at(path, descriptor)):
                break
            os.close(descriptor)  # another process holds it, removes it, or looks whether it is held
            got = False
            time.sleep(SECONDS_BETWEEN_ATTEMPTS)
        if got:
            with suppress(OSError):
                os.truncate(descriptor, 0)
                os.write(descriptor, f"{os.getpid()}\n".encode())
            return path, descriptor
        if got is False:
            raise InputError(
                f"{run} is being written by another process{_holder(path)}: wait until it has ended, or give another "
                "folder"
            )
        os.close(descriptor)
        path.unlink()
    raise InputError(f"{run} cannot be locked: neither its file system nor that of {tempfile.gettempdir()} has locks")


def _release(path: Path, descriptor: int) -> None:
    with suppress(OSError):
        path.unlink()  # before the lock is released: no process can have locked this file in between
    os.close(descriptor)
    if os.name == "nt":  # Windows does not remove an open file
        with suppress(OSError):
            path.unlink()


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        found = path.stat()
    except OSError:
        return False
    return os.path.samestat(found, os.fstat(descriptor))


def _holder(path: Path) -> str:
    with suppress(OSError, ValueError):
        return f" ({int(path.read_text('ascii'))})"
    return ""


def _elsewhere(run: Path) -> Path:
    name = hashlib.sha256(os.fsencode(run.resolve())).hexdigest()[:24]
    return Path(tempfile.gettempdir()) / f"weft-{name}.lock"

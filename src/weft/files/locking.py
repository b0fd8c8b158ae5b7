"""Locks on open files that the system releases when the process ends: flock on Unix, msvcrt on Windows."""

from __future__ import annotations

import errno
import sys

UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}
"""Errors of a file system that has no locks."""


def try_lock(descriptor: int) -> bool | None:
    """Lock an open file if no other process holds its lock, without waiting.

    True: the lock is held until the file is closed or the process ends. False: another process holds it. None: the file
    system has no locks.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return None if error.errno in UNSUPPORTED else False
    return True

"""Limits for files of other programs: how much memory the reading of a file may take."""

from __future__ import annotations

from weft.errors import InputError

FLOOR = 32 << 20
"""Bytes that may be used for any file, however small."""
TIMES = 4
"""Bytes that may be used for every byte of a file."""


class Budget:
    """Bytes that the objects made of a file of `size` bytes may have. `spend` raises InputError when they are used up.

    Numbers are views of the file and cost nothing until they are converted.
    """

    def __init__(self, size: int) -> None:
        self.left = FLOOR + TIMES * size

    def spend(self, size: int) -> None:
        """Account for an object of about `size` bytes."""
        self.left -= size
        if self.left < 0:
            raise InputError("what it describes needs far more memory than the file has bytes")

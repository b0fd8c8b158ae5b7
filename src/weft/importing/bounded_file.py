"""A file whose `read` never takes more memory than the file has bytes left, whatever size is asked for."""

from __future__ import annotations

import os
from typing import IO


class BoundedFile:
    """The file `file` for reading. Python's own files allocate the bytes that are asked for before they read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.size = os.fstat(file.fileno()).st_size

    def read(self, size: int = -1) -> bytes:
        """The next `size` bytes, or those that are left."""
        left = max(0, self.size - self._file.tell())
        return self._file.read(left if size < 0 else min(size, left))

    def readline(self) -> bytes:
        """The next line."""
        return self._file.readline()

    def seek(self, position: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position, at most the end. Raises ValueError for one before the beginning."""
        if whence == os.SEEK_END:
            position += self.size
        elif whence == os.SEEK_CUR:
            position += self._file.tell()
        if position < 0:
            raise ValueError("a position in it is before its beginning")
        return self._file.seek(min(position, self.size))

    def tell(self) -> int:
        """The position."""
        return self._file.tell()

    def seekable(self) -> bool:
        """True: a position can be chosen."""
        return True

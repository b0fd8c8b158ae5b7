"""The compile cache on disk, which is optional: a damaged entry is discarded, and without a place no entry is kept.

Numba's own cache lets errors on reading and writing it stop the program, and executes machine code from a damaged file.
Here every file begins with a digest of its content. Whatever fails, the kernel is compiled, and one warning of the
logger `weft` says so, once in a process.
"""

from __future__ import annotations

import hashlib
import logging
import pickle
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from numba.core import event, sigutils
from numba.core.caching import FunctionCache, IndexDataCacheFile, NullCache
from numba.core.ccallback import CFunc

DIGEST_SIZE = 16

_log = logging.getLogger("weft")


def disk_cache(function: Callable[..., Any]) -> Any:
    """The compile cache of a function, for the attribute `_cache` of what Numba makes of it."""
    try:
        return KernelCache(function)
    except (RuntimeError, OSError) as error:  # RuntimeError: Numba found no folder that it can write to
        _warn_once(error)
        return NullCache()


class KernelCache(FunctionCache):  # type: ignore[misc]
    """Numba's cache of one function, whose errors only cost the time of a compilation."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        locator = self._impl.locator
        self._cache_file = CheckedFiles(self._cache_path, self._impl.filename_base, locator.get_source_stamp())

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        """The compiled function, or None if it is not in the cache or its entry is damaged."""
        try:
            return super().load_overload(signature, target_context)
        except Exception as error:
            _warn_once(error)
            self._cache_file.discard()
            return None

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Keep a compiled function where that is possible."""
        try:
            super().save_overload(signature, compiled)
        except Exception as error:
            _warn_once(error)


class CheckedFiles(IndexDataCacheFile):  # type: ignore[misc]
    """The index and the data files of one function: a digest, and the pickled content."""

    def discard(self) -> None:
        """Remove the index, so that its data files are written again."""
        with suppress(OSError):
            Path(self._index_path).unlink()

    def _load_index(self) -> dict[Any, str]:
        try:
            version, stamp, entries = _read(Path(self._index_path))
        except FileNotFoundError:
            return {}
        except DamagedError as error:
            _warn_once(error)
            self.discard()
            return {}
        return entries if (version, stamp) == (self._version, self._source_stamp) else {}

    def _save_index(self, entries: dict[Any, str]) -> None:
        self._write(self._index_path, (self._version, self._source_stamp, entries))

    def _load_data(self, name: str) -> Any:
        return _read(Path(self._data_path(name)))

    def _save_data(self, name: str, data: Any) -> None:
        self._write(self._data_path(name), data)

    def _write(self, path: str, content: Any) -> None:
        data = self._dump(content)
        with self._open_for_write(path) as file:
            file.write(_digest(data) + data)


class DamagedError(Exception):
    """A file of the compile cache is not what was written."""


def _read(path: Path) -> Any:
    content = path.read_bytes()
    digest, data = content[:DIGEST_SIZE], content[DIGEST_SIZE:]
    if digest != _digest(data):
        raise DamagedError(f"{path} is damaged")
    return pickle.loads(data)


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=DIGEST_SIZE).digest()


_CFunc: Any = CFunc  # its type is incomplete


class CachedCallback(_CFunc):  # type: ignore[misc]
    """A C function with the compile cache; its compilation is an event like that of other kernels."""

    def __init__(self, function: Callable[..., Any], signature: Any, options: dict[str, Any]) -> None:
        super().__init__(function, sigutils.normalize_signature(signature), locals={}, options=options)
        self._cache = disk_cache(function)
        self.compile()

    def _compile_uncached(self) -> Any:
        with event.trigger_event("numba:compile", data={"dispatcher": self, "args": self._sig.args}):
            return super()._compile_uncached()


def _warn_once(error: Exception) -> None:
    """Warn that the compile cache cannot be used; only the first problem of a process is reported."""
    global _warned
    if not _warned:
        _warned = True
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        _log.warning("the compile cache cannot be used (%s); kernels are compiled again", reason)


_warned = False

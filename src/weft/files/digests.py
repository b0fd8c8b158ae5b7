"""Digests of files, by which damage is found when a file is read: XXH3 with 128 bits, as 32 hexadecimal digits.

A JSON file contains its own digest, which is computed with zeros in the place of the digits:

    "digest": "0123…cdef"

Other files contain the digest of their numbers in their metadata. Files of earlier versions have none. XXH3 finds
damage; it does not protect against somebody who changes a file on purpose.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import xxhash

PLACE = "0" * 32
"""What a text contains in the place of its digest while the digest is computed."""
_DIGEST = re.compile(r'"digest": ?"([0-9a-f]{32})"')


def digest_of(*parts: Any) -> str:
    """The digest of bytes, strings (in UTF-8) and C-contiguous arrays, each with its length before it."""
    running = RunningDigest()
    for part in parts:
        view = memoryview(part.encode("utf-8") if isinstance(part, str) else part)
        running.add(view.nbytes.to_bytes(8, "little"))
        running.add(view)
    return running.digest()


def tensors_digest(tensors: Mapping[str, Any]) -> str:
    """The digest of arrays with their names, types and shapes; the order of the names does not matter."""
    parts: list[Any] = []
    for name, array in sorted(tensors.items()):
        parts += [name, f"{array.dtype.str} {array.shape}", array]
    return digest_of(*parts)


class RunningDigest:
    """The digest of bytes that are read or written in pieces."""

    def __init__(self) -> None:
        self._hash = xxhash.xxh3_128()

    def add(self, data: Any) -> None:
        """Append bytes or a C-contiguous array."""
        view = memoryview(data)
        if view.nbytes:  # an empty array cannot be cast
            self._hash.update(view.cast("B"))

    def digest(self) -> str:
        """The digest of everything added."""
        return self._hash.hexdigest()


def with_digest(text: str) -> str:
    """`text` with its digest in place of the first `"digest": "PLACE"`."""
    return text.replace(PLACE, digest_of(text), 1)


def stated_digest(text: str) -> str | None:
    """The digest that `text` contains; None if it has none."""
    found = _DIGEST.search(text)
    return found[1] if found else None


def is_damaged(text: str) -> bool:
    """Whether `text` contains a digest and is not the text that it was computed of."""
    stated = stated_digest(text)
    return stated is not None and digest_of(text.replace(stated, PLACE, 1)) != stated

"""Download of one file from one address over HTTP, resumed with a Range request after an interruption.

The content is not checked here: the caller compares its hash.
"""

from __future__ import annotations

import http.client
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from email.message import Message
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from weft.errors import InputError

CHUNK = 1 << 16
"""Bytes in one read."""

OnBytes = Callable[[int, "int | None"], None]
"""Called with the bytes of the file received so far and the length of the file, None if unknown."""

_TIMEOUT = 20.0  # seconds without a response
_CUTS = 20  # most interruptions of one download that are resumed


class AddressError(Exception):
    """An address does not serve the file. The message gives the reason in a few words."""


class CutOffError(AddressError):
    """The connection ended before the file did."""


def receive(url: str, part: Path, size: int | None, on_bytes: OnBytes) -> None:
    """Download `url` into the file `part`, continuing after the bytes that it contains.

    size  length of the file in bytes, None if unknown

    After an interruption the download is resumed, provided that new bytes had arrived. Raises AddressError if the
    address fails, with all received bytes left in `part`, and InputError if `part` cannot be written.
    """
    for _ in range(_CUTS):
        before = size_of(part)
        try:
            _receive_rest(url, part, size, on_bytes)
        except CutOffError:
            if size_of(part) <= before:
                raise
        else:
            return
    raise CutOffError(f"cut off {_CUTS} times")


def store(chunks: Iterator[bytes], path: Path, start: int) -> Generator[int, None, None]:
    """Write `chunks` into the file `path` from byte `start` on; yields the position after each chunk.

    The file is truncated at the end of the last chunk, not before. Bytes are written at their positions, not appended,
    so two processes that download the same file at the same time write the same bytes at the same positions. Raises
    InputError if `path` cannot be written.
    """
    try:
        path.touch()
        with path.open("r+b") as out:
            out.seek(start)
            for chunk in chunks:
                out.write(chunk)
                yield out.tell()
            out.truncate()
            out.flush()
            os.fsync(out.fileno())
    except OSError as error:
        raise _cannot_write(path, error) from error


def move_into_place(part: Path, path: Path) -> None:
    """Rename the complete file `part` to `path`. It is no error if another process has done so."""
    try:
        part.replace(path)
    except OSError as error:
        if not path.exists():
            raise _cannot_write(path, error) from error


def size_of(path: Path) -> int:
    """Size of the file in bytes; 0 if there is no file."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _receive_rest(url: str, part: Path, size: int | None, on_bytes: OnBytes) -> None:
    have = size_of(part)
    if have == size:
        return
    try:
        response = _open(url, have)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != 416 or not have:
            raise AddressError(f"HTTP {error.code}") from error
        part.unlink()  # the server has no bytes after it, so it is not the beginning of this file
        _receive_rest(url, part, size, on_bytes)
        return
    except (OSError, http.client.HTTPException) as error:
        raise AddressError(_in_short(error)) from error
    with response:
        start, length = _extent(response.status, response.headers)
        if start not in (0, have):
            raise AddressError(f"answers from byte {start:,} when asked from {have:,}")
        if None not in (size, length) and size != length:
            raise AddressError(f"serves {length:,} bytes where {size:,} are expected")
        with closing(store(_body(response, start, length, size), part, start)) as positions:
            for position in positions:
                on_bytes(position, length or size)


def _open(url: str, start: int) -> http.client.HTTPResponse:
    headers = {"User-Agent": "weft", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    opener = urllib.request.build_opener(NeverLeaveHttps)
    request = urllib.request.Request(url, headers=headers)
    response: http.client.HTTPResponse = opener.open(request, timeout=_TIMEOUT)
    return response


def _extent(status: int, headers: Message) -> tuple[int, int | None]:
    """The position in the file at which the body of a response begins, and the length of the file, None if unknown."""
    if status == 206:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", headers.get("Content-Range", "").strip())
        if found is None:
            raise AddressError("an unreadable Content-Range")
        return int(found[1]), None if found[2] == "*" else int(found[2])
    length = headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else None


def _body(response: http.client.HTTPResponse, start: int, length: int | None, size: int | None) -> Iterator[bytes]:
    """The chunks of a response, at most one chunk beyond `size`. Raises CutOffError if the response ends early."""
    position = start
    while size is None or position <= size:
        try:
            chunk = response.read(CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise CutOffError(f"cut off after {position:,} bytes ({_in_short(error)})") from error
        if not chunk:
            break
        position += len(chunk)
        yield chunk
    if position < (length or size or 0):
        raise CutOffError(f"cut off after {position:,} bytes")


def _cannot_write(path: Path, error: OSError) -> InputError:
    return InputError(f"cannot write {path} ({error.strerror}); make room or set WEFT_DATA to another folder")


def _in_short(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    text = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return " ".join(str(text).split())


class NeverLeaveHttps(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but not from HTTPS to another scheme."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        """The request that follows the redirect. Raises URLError if it would leave HTTPS."""
        if req.type == "https" and urlsplit(newurl).scheme != "https":
            fp.close()
            raise urllib.error.URLError("redirected to an address without HTTPS")
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]

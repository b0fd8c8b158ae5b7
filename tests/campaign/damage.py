"""Damage to a file, one change from a seed: bits, bytes, lines, digits, values, or something that is no file."""

from __future__ import annotations

import gzip
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

Change = Callable[[bytes, Random], bytes]

VALUES = [
    b"true", b"null", b'""', b'"x"', b"-1", b"0", b"1", b"0.5", b"NaN", b"nan", b"inf", b"Infinity", b"-Infinity",
    b"1e308", b"1e999", b"-1e308", b"5e-324", b"9" * 25, b"1" + b"0" * 400, b"[]", b"{}", b"[1]", b'{"a": 1}',
    b"[" * 3000, b'"\\ud800"', b'"\\u001b[31m"',
    b'"' + b"x" * 100_000 + b'"', b"2020-01-01", b"\xff", "٣".encode(), b"0x10", b"1_0", b"-0.0",
]  # fmt: skip
"""Values for JSON and TOML, some of which only one of the two has."""
_VALUE = re.compile(rb'(?<=[:=])\s*("(?:[^"\\\n]|\\.)*"|[-\w.+]+|\[[^\[\]]*\]|\{[^{}]*\})')
_FIELD = re.compile(rb"[^\s]+")


def bit(content: bytes, random: Random) -> bytes:
    """Flip a bit."""
    place = random.randrange(len(content) * 8)
    return _replaced(content, place // 8, place // 8 + 1, bytes([content[place // 8] ^ 1 << place % 8]))


def byte(content: bytes, random: Random) -> bytes:
    """Change a byte."""
    place = random.randrange(len(content))
    return _replaced(content, place, place + 1, random.choice([b"\x00", b"\xff", b"\n", b" ", random.randbytes(1)]))


def cut(content: bytes, random: Random) -> bytes:
    """Cut off the end."""
    return content[: random.randrange(len(content))]


def lost_range(content: bytes, random: Random) -> bytes:
    """Delete some bytes."""
    start, stop = _range(content, random)
    return _replaced(content, start, stop, b"")


def doubled_range(content: bytes, random: Random) -> bytes:
    """Double some bytes."""
    start, stop = _range(content, random)
    return _replaced(content, stop, stop, content[start:stop])


def inserted(content: bytes, random: Random) -> bytes:
    """Insert some bytes."""
    place = random.randrange(len(content) + 1)
    return _replaced(content, place, place, random.randbytes(random.choice([1, 2, 8, 100])))


def zeros(content: bytes, random: Random) -> bytes:
    """Fill some bytes with zeros, as after a crash of a machine."""
    start, stop = _range(content, random)
    return _replaced(content, start, stop, b"\0" * (stop - start))


def lost_line(content: bytes, random: Random) -> bytes:
    """Delete a line."""
    lines = content.split(b"\n")
    del lines[random.randrange(len(lines))]
    return b"\n".join(lines)


def doubled_line(content: bytes, random: Random) -> bytes:
    """Write a line again, somewhere."""
    lines = content.split(b"\n")
    lines.insert(random.randrange(len(lines) + 1), random.choice(lines))
    return b"\n".join(lines)


def swapped_lines(content: bytes, random: Random) -> bytes:
    """Exchange two lines."""
    lines = content.split(b"\n")
    one, other = random.randrange(len(lines)), random.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return b"\n".join(lines)


def digit(content: bytes, random: Random) -> bytes:
    """Change a digit, or exchange it with the next byte."""
    places = [match.start() for match in re.finditer(rb"\d", content)]
    if not places:
        return bit(content, random)
    place = random.choice(places)
    if random.random() < 0.5:
        return _replaced(content, place, place + 1, b"%d" % random.randrange(10))
    return _replaced(content, place, place + 2, content[place : place + 2][::-1])


def value(content: bytes, random: Random) -> bytes:
    """Replace a value of JSON or TOML, or a field of another text."""
    found = [match.span(1) for match in _VALUE.finditer(content)] or [
        match.span() for match in _FIELD.finditer(content)
    ]
    start, stop = random.choice(found or [(0, len(content))])
    return _replaced(content, start, stop, random.choice(VALUES))


def empty(content: bytes, random: Random) -> bytes:
    """Nothing is left."""
    return b""


CONTENTS: dict[str, Change] = {
    change.__name__: change
    for change in (
        bit, byte, cut, lost_range, doubled_range, inserted, zeros, lost_line, doubled_line, swapped_lines, digit,
        value, empty,
    )
}  # fmt: skip
"""Changes of the content."""


def folder(path: Path) -> None:
    """A folder in place of the file."""
    path.mkdir()


def symlink_loop(path: Path) -> None:
    """A link to itself."""
    path.symlink_to(path.name)


def dangling_symlink(path: Path) -> None:
    """A link to a file that is gone."""
    path.symlink_to("gone")


def fifo(path: Path) -> None:
    """A pipe without a writer."""
    os.mkfifo(path)


def gone(path: Path) -> None:
    """Nothing."""


PLACES: dict[str, Callable[[Path], None]] = {
    change.__name__: change for change in (folder, symlink_loop, dangling_symlink, fifo, gone)
}
"""What takes the place of the file."""


def damage(path: Path, change: str, seed: int) -> bool:
    """Damage the file at `path`; whether something has changed."""
    if change in PLACES:
        path.unlink()
        PLACES[change](path)
        return True
    before = path.read_bytes()
    after = changed(path.name, before, change, Random(seed))
    path.write_bytes(after)
    return after != before


def changed(name: str, content: bytes, change: str, random: Random) -> bytes:
    """The content of the file `name` after a change: sometimes within gzip, or in the header of safetensors."""
    if not content:
        return b"\xff"
    if name.endswith(".gz") and random.random() < 0.5:
        return gzip.compress(CONTENTS[change](gzip.decompress(content), random), mtime=0)
    if name.endswith(".safetensors") and random.random() < 0.5:
        end = 8 + int.from_bytes(content[:8], "little")
        header = CONTENTS[change](content[8:end], random)
        return len(header).to_bytes(8, "little") + header + content[end:]
    return CONTENTS[change](content, random)


def _range(content: bytes, random: Random) -> tuple[int, int]:
    length = random.choice([1, 2, 4, 16, 64, random.randrange(1, len(content) + 1)])
    start = random.randrange(max(len(content) - length, 0) + 1)
    return start, min(start + length, len(content))


def _replaced(content: bytes, start: int, stop: int, by: bytes) -> bytes:
    return content[:start] + by + content[stop:]


def remove(path: Path) -> None:
    """Remove whatever is at `path`."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)

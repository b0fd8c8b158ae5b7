"""Damage to text files: cut, lines lost, doubled or moved, fields replaced, bytes changed, a second file behind."""

from __future__ import annotations

from collections.abc import Callable
from operator import mul
from random import Random

from hypothesis import strategies as st

NOT_NUMBERS = [
    b"", b"nan", b"NaN", b"-nan", b"inf", b"+inf", b"-inf", b"Infinity", b"1_0", b"-1_0", b"1e400", b"-1e400", b"1e308",
    b"-1e308", b"5e-324", b"99", b"-1000.5", b"1e15", b"0x1p3", b"0x10", b"1,5", b"--1", b"-", b".", b"e5", b"1e",
    b"-1.5.2", "１".encode(), "−1".encode(), b"true", b"null", b"-1f",
]  # fmt: skip
"""Fields that are no numbers, and numbers that few places of a file can hold."""

OTHER_FIELDS = [
    b"\x0b", b"\x0c", b"a\x0bb", b"\x1b[31mred\x1b[0m", b"\x00", b"\xff", b"\xc3", "\u202e\u2028\x85".encode(),
    "\xa0".encode(), b"\r", b"\\end\\", b"\\2-grams:", b"<s>",
    b"</s>", b"<eos>", b"<unk>", b"'", b'"', b"{", b"\\ud800",
]  # fmt: skip

REPEATED = [b"x", b"1", b"\x07", b" ", b"[", "好".encode()]
"""Parts of very long fields."""

Change = Callable[[bytes, Random, bytes], bytes]
"""Makes another content from a content, a source of random numbers, and a field."""


def damaged(contents: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Contents after one to three changes, which may leave them valid."""
    long = st.builds(mul, st.sampled_from(REPEATED), st.sampled_from([300, 5000]))
    fields = st.sampled_from(NOT_NUMBERS) | st.sampled_from(OTHER_FIELDS) | st.binary(max_size=6) | long
    changes = st.lists(st.tuples(st.sampled_from(CHANGES), st.randoms(use_true_random=False), fields), min_size=1)

    def changed(content: bytes, chosen: list[tuple[Change, Random, bytes]]) -> bytes:
        for change, random, field in chosen[:3]:
            content = change(content, random, field)
        return content

    return st.builds(changed, contents, changes)


def _cut(content: bytes, random: Random, field: bytes) -> bytes:
    return content[: random.randint(0, len(content))]


def _replaced_bytes(content: bytes, random: Random, field: bytes) -> bytes:
    start = random.randint(0, len(content))
    return content[:start] + field + content[start + random.randint(0, 3) :]


def _lost_line(content: bytes, random: Random, field: bytes) -> bytes:
    lines = content.splitlines(keepends=True) or [b""]
    del lines[random.randrange(len(lines))]
    return b"".join(lines)


def _doubled_line(content: bytes, random: Random, field: bytes) -> bytes:
    lines = content.splitlines(keepends=True) or [b""]
    lines.insert(random.randrange(len(lines) + 1), random.choice(lines))
    return b"".join(lines)


def _moved_line(content: bytes, random: Random, field: bytes) -> bytes:
    lines = content.splitlines(keepends=True) or [b""]
    line = lines.pop(random.randrange(len(lines)))
    lines.insert(random.randrange(len(lines) + 1), line)
    return b"".join(lines)


def _replaced_field(content: bytes, random: Random, field: bytes) -> bytes:
    lines = content.split(b"\n")
    number = random.randrange(len(lines))
    separator = b"\t" if b"\t" in lines[number] else b" "
    fields = lines[number].split(separator)
    fields[random.randrange(len(fields))] = field
    lines[number] = separator.join(fields)
    return b"\n".join(lines)


def _replaced_number(content: bytes, random: Random, field: bytes) -> bytes:
    places = [place for place, byte in enumerate(content) if 48 <= byte < 58]
    if not places:
        return content
    place = random.choice(places)
    return content[:place] + (field if random.random() < 0.5 else b"%d" % random.randrange(100)) + content[place + 1 :]


def _followed_by_itself(content: bytes, random: Random, field: bytes) -> bytes:
    return content + content


def _followed_by_a_field(content: bytes, random: Random, field: bytes) -> bytes:
    return content + field


CHANGES: list[Change] = [
    _cut, _replaced_bytes, _lost_line, _doubled_line, _moved_line, _replaced_field, _replaced_number,
    _followed_by_itself, _followed_by_a_field,
]  # fmt: skip

"""Mutated files: bytes changed, cut, moved and repeated, from a seed."""

from __future__ import annotations

import random

OPCODES = b"(.0123NR]}abcdehiou\x81\x85\x86\x87\x88\x89\x8c\x93\x94\x95"
"""Of pickles."""
EXTREMES = (b"\x00" * 8, b"\xff" * 8, b"\xff" * 4, b"\x7f" + b"\xff" * 7, b"\xff" * 7 + b"\x7f", b"\x00\x00\x00\x80")


def mutated(data: bytes, seed: int) -> bytes:
    """`data` with one to four changes, most of them in the first parts, where the structure of a file is described."""
    draw = random.Random(seed)
    changed = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 4))):
        if not changed:
            break
        limit = draw.choice((64, 512, 4096, len(changed)))
        at = draw.randrange(min(limit, len(changed)))
        kind = draw.randrange(8)
        if kind == 0:
            changed[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            changed[at] = draw.randrange(256)
        elif kind == 2:
            extreme = draw.choice(EXTREMES)
            changed[at : at + len(extreme)] = extreme
        elif kind == 3:
            del changed[at : at + draw.randrange(1, 64)]
        elif kind == 4:
            del changed[at:]
        elif kind == 5:
            start = draw.randrange(len(changed))
            changed[at:at] = changed[start : start + draw.randrange(1, 256)]
        elif kind == 6:
            changed[at:at] = draw.randbytes(draw.randrange(1, 16))
        else:
            changed[at] = draw.choice(OPCODES)
    return bytes(changed)

"""The encoding of protocol buffers: numbered fields, read from views of the file, without a schema compiler."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from weft.errors import InputError

Field = int | memoryview
"""A whole number from 0, or the bytes of a string, a message, packed numbers, or a number of fixed width."""


def fields(data: memoryview) -> Iterator[tuple[int, Field]]:
    """The fields of a message by number, in the order of the file. Raises InputError if the message is damaged."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, position = _varint(data, position)
            yield number, value
            continue
        if kind == 2:
            size, position = _varint(data, position)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise InputError("it is damaged: a message in it has a field of unknown type")
        if size > len(data) - position:
            raise InputError("it is cut short, or damaged: a message in it ends beyond the end of the file")
        yield number, data[position : position + size]
        position += size


def whole_numbers(value: Field) -> list[int]:
    """The numbers of a repeated field of type int64, packed or a single one."""
    if isinstance(value, int):
        return [signed(value)]
    numbers, position = [], 0
    while position < len(value):
        number, position = _varint(value, position)
        numbers.append(signed(number))
    return numbers


def signed(value: Field) -> int:
    """A number of type int64. Raises InputError for bytes."""
    if not isinstance(value, int):
        raise InputError("it is damaged: a message in it has bytes in place of a whole number")
    return value - (1 << 64) if value >> 63 else value


def text(value: Field) -> str:
    """A string. Raises InputError for a number, and for bytes that are not UTF-8."""
    try:
        return bytes(_data(value)).decode("utf-8")
    except UnicodeDecodeError:
        raise InputError("it is damaged: a name in it is not UTF-8") from None


def number(value: Field) -> float:
    """A number of type float. Raises InputError for anything else."""
    if len(_data(value)) != 4:
        raise InputError("it is damaged: a number in it is not of four bytes")
    return float(struct.unpack("<f", _data(value))[0])


def message(value: Field) -> memoryview:
    """The bytes of a message. Raises InputError for a number."""
    return _data(value)


def _data(value: Field) -> memoryview:
    if isinstance(value, int):
        raise InputError("it is damaged: a message in it has a whole number in place of bytes")
    return value


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    """The number at a position, and the position behind it."""
    result = shift = 0
    while position < len(data) and shift < 64:
        byte = data[position]
        position += 1
        result |= (byte & 127) << shift
        if byte < 128:
            return result & ((1 << 64) - 1), position
        shift += 7
    raise InputError("it is cut short, or damaged: a number in it does not end")

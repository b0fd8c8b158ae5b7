"""The two containers of `torch.save`: a zip archive, and the older sequence of pickles.

    zip         NAME/data.pkl: the object; NAME/data/KEY: the numbers of the storage KEY, never compressed
    sequence    pickles of a magic number, the version, the system, the object, and the list of keys; then for every key
                the number of elements, 8 bytes, and the elements

Neither needs PyTorch to be read.
"""

from __future__ import annotations

import math
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from weft.errors import InputError, quoted
from weft.importing.bounded_file import BoundedFile
from weft.importing.budget import Budget
from weft.importing.pickles.machine import run
from weft.importing.pickles.values import Global, Storage, Tensor

MAGIC = 0x1950A86A20F9469CFC6C
MOST_MEMBERS = 100_000
DTYPES = {
    "FloatStorage": "f4",
    "DoubleStorage": "f8",
    "HalfStorage": "f2",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "u1",
}


@dataclass
class TorchFile:
    """An opened file of PyTorch.

    value     the object in it, whose tensors are read by `array`
    places    storage key -> the position of its first byte in the file, and its number of bytes
    order     byte order of the numbers, "<" or ">"
    """

    file: BoundedFile
    budget: Budget
    value: Any
    places: Mapping[str, tuple[int, int]]
    order: str = "<"

    def array(self, tensor: Tensor) -> NDArray[np.float32]:
        """The numbers of a tensor. Raises InputError if they are not all in the file, or not of a floating type."""
        storage, shape, strides = tensor.storage, tensor.shape, tensor.strides
        code = "u2" if storage.dtype == "bfloat16" else storage.dtype
        kind = np.dtype(code).newbyteorder("<" if self.order == "<" else ">")
        if storage.dtype[0] not in "fb":
            raise InputError(f"a tensor of its model has numbers of type {storage.dtype}, not of a floating type")
        count = math.prod(shape) and 1 + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
        start, size = self.places.get(storage.key, (0, 0))
        first = (storage.start + tensor.offset) * kind.itemsize
        if first + count * kind.itemsize > size:
            raise InputError(f"the numbers of its storage {quoted(storage.key)} are missing or cut short")
        self.budget.spend(4 * math.prod(shape) + count * kind.itemsize)
        self.file.seek(start + first)
        data = self.file.read(count * kind.itemsize)
        if len(data) != count * kind.itemsize:
            raise InputError("it is cut short: it ends within the numbers of its model")
        values = np.frombuffer(data, kind)
        if storage.dtype == "bfloat16":
            values = (values.astype(np.uint32) << 16).view(np.float32)
        steps = tuple(values.itemsize * stride for stride in strides)
        spread = np.lib.stride_tricks.as_strided(values, shape, steps, writeable=False) if count else values
        with np.errstate(over="ignore"):  # numbers beyond the range of float32 are found later, as infinite
            return np.array(spread.reshape(shape), np.float32)


def open_archive(file: BoundedFile, budget: Budget) -> TorchFile:
    """The content of a zip archive of `torch.save`. Raises InputError for any other zip file and a damaged one."""
    _check_members(file)
    try:
        with zipfile.ZipFile(cast(Any, file)) as archive:
            members = {info.filename: info for info in archive.infolist()}
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError, struct.error, EOFError) as error:
        raise InputError(f"it is a damaged zip archive ({quoted(str(error))})") from None
    root = next((name.removesuffix("data.pkl") for name in members if name.endswith("data.pkl")), None)
    if root is None:
        raise InputError("it is a zip archive without data.pkl, which `torch.save` writes")
    if root + "constants.pkl" in members:
        raise InputError("it is an archive of TorchScript: save the model itself, or its state_dict, with torch.save")
    places = {name.removeprefix(root): _place(file, info) for name, info in members.items() if name.startswith(root)}
    little = _content(file, places.get("byteorder", (0, 0)), 16) != b"big"
    pickled = BytesIO(_content(file, places["data.pkl"], places["data.pkl"][1]))
    value = run(pickled, budget, _storage)
    data = {name.removeprefix("data/"): place for name, place in places.items()}
    return TorchFile(file, budget, value, data, "<" if little else ">")


def open_sequence(file: BoundedFile, budget: Budget) -> TorchFile:
    """The content of a file in the older container, whose magic number has been read."""
    version, system = run(file, budget), run(file, budget)
    if version != 1001 or not isinstance(system, dict):
        raise InputError(f"its container of torch.save has the version {quoted(version)}, expected 1001")
    value = run(file, budget, _storage)
    keys = run(file, budget)
    if not isinstance(keys, list):
        raise InputError("it is damaged: it has no list of storages")
    widths = _widths(value, budget)
    position, places = file.tell(), {}
    for key in map(str, keys):
        file.seek(position)
        header = file.read(8)
        if len(header) < 8 or key not in widths:
            raise InputError("it is damaged: the list of its storages does not fit its model")
        size = int.from_bytes(header, "little") * widths[key]
        places[key] = (position + 8, size)
        position += 8 + size
    return TorchFile(file, budget, value, places, "<" if system.get("little_endian", True) else ">")


def _widths(value: Any, budget: Budget) -> dict[str, int]:
    """The bytes of a number of every storage."""
    widths: dict[str, int] = {}
    waiting, seen = [value], set()
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        budget.spend(64)
        if isinstance(item, Tensor):
            item = item.storage
        if isinstance(item, Storage):
            widths[item.key] = 2 if item.dtype == "bfloat16" else np.dtype(item.dtype).itemsize
        elif isinstance(item, dict):
            waiting += item.values()
        elif isinstance(item, (list, tuple)):
            waiting += item
        elif hasattr(item, "state"):
            waiting += [item.state, item.arguments]
    return widths


def _storage(id: Any) -> Any:
    """The storage, or the class, of a persistent id. Raises ValueError for any other."""
    if not isinstance(id, tuple) or not id:
        raise ValueError("a reference to a storage is not a tuple")
    if id[0] == "module":  # a class with its source, in files of old versions
        return id[1]
    kind, of, key, _location, count, *view = id
    if kind != "storage" or not isinstance(of, Global) or type(count) is not int or count < 0:
        raise ValueError("a reference to a storage is not one")
    if of.name not in DTYPES:
        raise InputError(f"it has numbers of type {quoted(str(of))}; known: {', '.join(DTYPES)}")
    start = 0
    if view and view[0] is not None:
        _key, start, count = view[0]
        if type(start) is not int or type(count) is not int or start < 0 or count < 0:
            raise ValueError("a view of a storage is not one")
    return Storage(str(key), DTYPES[of.name], count, start)


def _check_members(file: BoundedFile) -> None:
    """Raise InputError if the archive has too many members: each takes far more memory than its entry in the file."""
    file.seek(0)
    found, kept = 0, b""
    while block := file.read(1 << 20):
        found += (kept + block).count(b"PK\x01\x02")
        kept = block[-3:]
    if found > MOST_MEMBERS:
        raise InputError(f"it is a zip archive with {found:,} members, more than any model has")


def _place(file: BoundedFile, info: zipfile.ZipInfo) -> tuple[int, int]:
    """The position of the content of a member, and its size."""
    if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
        raise InputError(f"its member {quoted(info.filename)} is compressed or encrypted, which torch.save never does")
    file.seek(max(0, info.header_offset))
    header = file.read(30)
    if info.header_offset < 0 or len(header) < 30 or header[:4] != b"PK\x03\x04":
        raise InputError(f"it is a damaged zip archive: {quoted(info.filename)} is not where its list of members says")
    name, extra = struct.unpack("<HH", header[26:])
    return info.header_offset + 30 + name + extra, info.file_size


def _content(file: BoundedFile, place: tuple[int, int], most: int) -> bytes:
    file.seek(place[0])
    return file.read(min(place[1], most))

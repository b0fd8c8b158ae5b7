"""What a pickle is read into: its containers and numbers, and inert descriptions of everything else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class Global:
    """A class or function that the pickle names; it is never imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False)
class Instance:
    """An object of another program: its class, the arguments it was made of, and its attributes."""

    of: Global
    arguments: tuple[Any, ...] = ()
    state: dict[Any, Any] = field(default_factory=dict)


@dataclass(eq=False)
class Storage:
    """Numbers of tensors in a file of PyTorch: `count` of them, from number `start` of the storage `key`.

    dtype: their type as NumPy writes it; "bfloat16" for that type.
    """

    key: str
    dtype: str
    count: int
    start: int = 0


@dataclass(eq=False)
class Tensor:
    """A tensor of PyTorch: which numbers of a storage it has."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(eq=False)
class DType:
    """A type of numbers of NumPy, for example "f2"; `order`: "<" or ">", "|" or "=" for that of the machine."""

    code: str
    order: str = "="


@dataclass(eq=False)
class ArrayValue:
    """An array of NumPy; `values` is None until its state has been read, and for types other than numbers."""

    values: NDArray[Any] | None = None

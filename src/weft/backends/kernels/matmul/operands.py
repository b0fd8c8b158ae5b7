"""Structures that describe the operands of a product in kernels: addresses, and strides in elements."""

from __future__ import annotations

from typing import Any, NamedTuple

from numba import types

from weft.backends.kernels.jit.compile import inlined
from weft.backends.kernels.jit.pointers import offset
from weft.backends.kernels.jit.structs import struct_type

UNGROUPED = 1 << 40
"""The group size of an `Lhs` whose k all have one stride."""


class Lhs(NamedTuple):
    """A left operand A: A[m, k] is the packed element at

    address + m · row_stride + (k // group) · group_stride + (k % group) · k_stride
    """

    address: Any
    row_stride: Any
    k_stride: Any
    group: Any
    group_stride: Any


class Panels(NamedTuple):
    """A packed right operand B, as `pack_rhs` lays it out; stride: elements from one panel to the next."""

    address: Any
    stride: Any


class Destination(NamedTuple):
    """C as float32; panel_stride: elements from the first column of a panel of B to that of the next panel.

    panel_stride is PANEL if the rows of C are contiguous.
    """

    address: Any
    row_stride: Any
    panel_stride: Any


class Matrix(NamedTuple):
    """A float32 matrix in memory with contiguous rows; transposed: the rows are those of the operand's transpose."""

    address: Any
    row_stride: Any
    transposed: Any


FLOAT_POINTER, PAIR_POINTER = types.CPointer(types.float32), types.CPointer(types.int32)
DESTINATION = struct_type(Destination, FLOAT_POINTER, types.intp, types.intp)
MATRIX = struct_type(Matrix, FLOAT_POINTER, types.intp, types.boolean)


def lhs_type(pointer: Any) -> Any:
    """The Numba type of an `Lhs` of such pointers."""
    return struct_type(Lhs, pointer, *[types.intp] * 4)


def panels_type(pointer: Any) -> Any:
    """The Numba type of `Panels` of such pointers."""
    return struct_type(Panels, pointer, types.intp)


@inlined
def lhs_of_rows(address: Any, row_stride: Any) -> Any:
    """The `Lhs` whose rows are contiguous."""
    return Lhs(address, row_stride, 1, UNGROUPED, 0)


@inlined
def lhs_at(lhs: Any, address: Any) -> Any:
    """The `Lhs` with the same strides at another address."""
    return Lhs(address, lhs.row_stride, lhs.k_stride, lhs.group, lhs.group_stride)


@inlined
def lhs_row(lhs: Any, m: Any) -> Any:
    """Row m of an `Lhs`, as an `Lhs`."""
    return lhs_at(lhs, offset(lhs.address, m * lhs.row_stride))


@inlined
def lhs_from_k(lhs: Any, k: Any) -> Any:
    """The columns of an `Lhs` from packed element k on, as an `Lhs`; k: a multiple of the group size, if any."""
    return lhs_at(lhs, offset(lhs.address, k // lhs.group * lhs.group_stride + k % lhs.group * lhs.k_stride))

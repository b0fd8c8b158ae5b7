"""Structures that describe the operands of streaming products in kernels: addresses, and strides in elements."""

from __future__ import annotations

from typing import Any, NamedTuple

from weft.backends.kernels.jit.compile import inlined
from weft.backends.kernels.jit.pointers import offset
from weft.backends.kernels.streaming.plan import DEPTH, OFFSET, PANEL_STRIDE, SCALES, SUMS, WIDTH


class Activations(NamedTuple):
    """The left operand, one row per stream: float32, or 16 bits with a scale per row (see `activation_packing`)."""

    address: Any
    stride: Any
    scales: Any


class WeightPanels(NamedTuple):
    """The right operand in panels of WIDTH columns (see `weight_packing`).

    depth: packed elements of a panel along k; scales, sums: addresses of WIDTH values for each panel.
    """

    address: Any
    stride: Any
    depth: Any
    scales: Any
    sums: Any


class Rows(NamedTuple):
    """Rows of float32, one for each stream; stride 0 is the same row for all."""

    address: Any
    stride: Any


@inlined
def weight_panels(weights: Any, matrix: Any, constants: Any, first: Any) -> Any:
    """The panels of a matrix, given by its plan fields, from panel `first` on."""
    address = offset(weights, matrix[OFFSET] + first * matrix[PANEL_STRIDE])
    scales, sums = offset(constants, matrix[SCALES] + first * WIDTH), offset(constants, matrix[SUMS] + first * WIDTH)
    return WeightPanels(address, matrix[PANEL_STRIDE], matrix[DEPTH], scales, sums)


@inlined
def activations_from(x: Any, row: Any) -> Any:
    """The rows from `row` on."""
    return Activations(offset(x.address, row * x.stride), x.stride, offset(x.scales, row))


@inlined
def panels_from(w: Any, panel: Any) -> Any:
    """The panels from `panel` on."""
    column = panel * WIDTH
    address = offset(w.address, panel * w.stride)
    return WeightPanels(address, w.stride, w.depth, offset(w.scales, column), offset(w.sums, column))


@inlined
def rows_from(rows: Any, row: Any, column: Any) -> Any:
    """The rows from `row` on, and their columns from `column` on."""
    return Rows(offset(rows.address, row * rows.stride + column), rows.stride)

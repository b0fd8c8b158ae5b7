"""The two sweeps of the fused output layer over groups of the vocabulary, compiled; see `output_kernel`."""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.backends.kernels.activations import exp
from weft.backends.kernels.compiling import compiled
from weft.backends.kernels.micro_kernel import pointer_to
from weft.backends.kernels.product import PANEL, accumulate

GROUP = 128
"""Columns in a group: a few panels, so that rows x GROUP scores stay in the second-level cache."""

LANES = 16
BELOW_ALL = np.float32(-1e30)


@compiled
def pack_group(base: Any, v_stride: Any, h_stride: Any, first: Any, count: Any, panels: Any) -> None:
    """`count` columns of W from `first` on, into panels (GROUP / PANEL, H, PANEL); zeros beyond."""
    H = panels.shape[1]
    for i in range(panels.shape[0]):
        width = min(PANEL, max(0, count - i * PANEL))
        if width < PANEL:
            panels[i, :, width:] = 0
        start = (first + i * PANEL) * v_stride
        if v_stride == 1:
            for k in range(H):
                panels[i, k, :width] = base[start + k * h_stride : start + k * h_stride + width]
        else:
            for n in range(width):
                column = base[start + n * v_stride : start + n * v_stride + H]
                for k in range(H):
                    panels[i, k, n] = column[k]


@compiled
def score_group(h: Any, panels: Any, b: Any, first: Any, count: Any, x: Any, x_row: Any, start: Any) -> None:
    """x = h W + b for the columns of one group; beyond `count` they are below all. x is flat, its rows x_row apart."""
    R, H = h.shape
    for r in range(R):
        row = x[start + r * x_row : start + r * x_row + GROUP]
        row[:count] = b[first : first + count]
        row[count:] = BELOW_ALL
    accumulate(pointer_to(h, 0), H, 1, R, panels, pointer_to(x, start), x_row)


@compiled
def first_sweep(
    h: Any,
    t: Any,
    base: Any,
    v_stride: Any,
    h_stride: Any,
    b: Any,
    first_group: Any,
    last_group: Any,
    scores: Any,
    keep: Any,
    largest: Any,
    total: Any,
    target: Any,
) -> None:
    """For every row: the largest score, the sum of exp(score - largest), and the target's score (0 if elsewhere)."""
    R, H = h.shape
    V = b.shape[0]
    panels = np.empty((GROUP // PANEL, H, PANEL), np.float32)
    own = np.empty(1 if keep else R * GROUP, np.float32)
    largest[:] = BELOW_ALL
    total[:] = 0
    target[:] = 0
    lanes = np.empty(LANES, np.float32)
    x = scores.reshape(-1) if keep else own
    x_row = scores.shape[1] if keep else GROUP
    for group in range(first_group, last_group):
        first = group * GROUP
        count = min(GROUP, V - first)
        start = first if keep else 0
        pack_group(base, v_stride, h_stride, first, count, panels)
        score_group(h, panels, b, first, count, x, x_row, start)
        for r in range(R):
            row = x[start + r * x_row : start + r * x_row + GROUP]
            lanes[:] = largest[r]
            for j in range(0, GROUP, LANES):
                for k in range(LANES):
                    lanes[k] = max(lanes[k], row[j + k])
            highest = lanes.max()
            if highest > largest[r]:
                total[r] *= exp(largest[r] - highest)
                largest[r] = highest
            lanes[:] = 0
            for j in range(0, GROUP, LANES):
                for k in range(LANES):
                    lanes[k] += exp(row[j + k] - largest[r])
            total[r] += lanes.sum()
            if first <= t[r] < first + count:
                target[r] = row[t[r] - first]


@compiled
def second_sweep(
    h: Any,
    h_panels: Any,
    t: Any,
    base: Any,
    v_stride: Any,
    h_stride: Any,
    b: Any,
    first_group: Any,
    last_group: Any,
    scores: Any,
    keep: Any,
    log_sum: Any,
    scale: Any,
    dh: Any,
    dW: Any,
    db: Any,
) -> None:
    """dW (flat, as `base`) and db of the groups, and dh (R, padded H) += their share."""
    R, H = h.shape
    V = b.shape[0]
    room = dh.shape[1]
    panels = np.empty((GROUP // PANEL, H, PANEL), np.float32)
    transposed = np.empty((room // PANEL, GROUP, PANEL), np.float32)
    dx = np.empty((R, GROUP), np.float32)
    dW_group = np.empty((GROUP, room), np.float32)
    db_group = np.empty(GROUP, np.float32)
    x = scores.reshape(-1) if keep else dx.reshape(-1)
    x_row = scores.shape[1] if keep else GROUP
    for group in range(first_group, last_group):
        first = group * GROUP
        count = min(GROUP, V - first)
        start = first if keep else 0
        if not keep:
            pack_group(base, v_stride, h_stride, first, count, panels)
            score_group(h, panels, b, first, count, x, x_row, start)
        db_group[:] = 0
        for r in range(R):
            row, dx_row = x[start + r * x_row : start + r * x_row + GROUP], dx[r]
            log_sum_r, scale_r = log_sum[r], scale[r]
            for j in range(GROUP):
                dx_row[j] = exp(row[j] - log_sum_r) * scale_r
            dx_row[count:] = 0
            if first <= t[r] < first + count:
                dx_row[t[r] - first] -= scale_r
            for j in range(GROUP):
                db_group[j] += dx_row[j]
        db[first : first + count] = db_group[:count]
        dW_group[:] = 0
        accumulate(pointer_to(dx, 0), 1, GROUP, GROUP, h_panels, pointer_to(dW_group, 0), room)
        unpack_gradient(dW_group, dW, v_stride, h_stride, first, count, H)
        pack_rows(base, v_stride, h_stride, first, count, H, transposed)
        accumulate(pointer_to(dx, 0), GROUP, 1, R, transposed, pointer_to(dh, 0), room)


@compiled
def unpack_gradient(dW_group: Any, dW: Any, v_stride: Any, h_stride: Any, first: Any, count: Any, H: Any) -> None:
    """A group's dWᵀ (GROUP, padded H) to its place in dW, which is flat."""
    if h_stride == 1:
        for v in range(count):
            start = (first + v) * v_stride
            dW[start : start + H] = dW_group[v, :H]
    else:
        for k in range(H):
            row = dW[k * h_stride + first : k * h_stride + first + count]
            for v in range(count):
                row[v] = dW_group[v, k]


@compiled
def pack_rows(base: Any, v_stride: Any, h_stride: Any, first: Any, count: Any, H: Any, panels: Any) -> None:
    """Wᵀ of a group, (GROUP, H), into panels (padded H / PANEL, GROUP, PANEL); zeros beyond."""
    panels[:] = 0
    for i in range(panels.shape[0]):
        width = min(PANEL, H - i * PANEL)
        if h_stride == 1:
            for v in range(count):
                start = (first + v) * v_stride + i * PANEL
                panels[i, v, :width] = base[start : start + width]
        else:
            for k in range(width):
                row = base[(i * PANEL + k) * h_stride + first : (i * PANEL + k) * h_stride + first + count]
                for v in range(count):
                    panels[i, v, k] = row[v]

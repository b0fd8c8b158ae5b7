"""How the rows and columns of a product are divided among the chunks of a parallel job."""

from __future__ import annotations

from typing import Any

from weft.backends.kernels.jit.compile import within_kernels
from weft.backends.kernels.matmul.pack_rhs import PANEL


@within_kernels
def streams_of(N: Any, share: Any, shares: Any) -> Any:
    """The first stream of a share, and the one after its last."""
    return N * share // shares, N * (share + 1) // shares


@within_kernels
def columns_of(N: Any, share: Any, shares: Any) -> Any:
    """The first of N columns of a share, whole panels, and the one after its last."""
    panels = (N + PANEL - 1) // PANEL
    return min(panels * share // shares * PANEL, N), min(panels * (share + 1) // shares * PANEL, N)

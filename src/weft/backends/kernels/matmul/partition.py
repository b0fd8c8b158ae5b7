"""How the rows and columns of a product are divided among the chunks of a parallel job."""

from __future__ import annotations

from typing import Any

from weft.backends.kernels.jit.compile import inlined
from weft.backends.kernels.matmul.pack_rhs import PANEL


@inlined
def streams_of(N: Any, chunk: Any, chunks: Any) -> Any:
    """The first stream of a share, and the one after its last."""
    return N * chunk // chunks, N * (chunk + 1) // chunks


@inlined
def columns_of(N: Any, chunk: Any, chunks: Any) -> Any:
    """The first of N columns of a share, whole panels, and the one after its last."""
    panels = (N + PANEL - 1) // PANEL
    return min(panels * chunk // chunks * PANEL, N), min(panels * (chunk + 1) // chunks * PANEL, N)

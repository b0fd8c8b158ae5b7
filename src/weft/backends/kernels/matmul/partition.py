"""How the rows and columns of a product are divided among the chunks of a parallel job."""

from __future__ import annotations

from typing import Any

from weft.backends.kernels.jit.compile import inlined
from weft.backends.kernels.matmul.pack_rhs import PANEL


@inlined
def stream_range(N: Any, chunk: Any, chunks: Any) -> Any:
    """The streams [first, last) of N that a chunk computes."""
    return N * chunk // chunks, N * (chunk + 1) // chunks


@inlined
def column_range(N: Any, chunk: Any, chunks: Any) -> Any:
    """The columns [first, last) of N that a chunk computes: whole panels, the last of which may be cut off at N."""
    panels = (N + PANEL - 1) // PANEL
    return min(panels * chunk // chunks * PANEL, N), min(panels * (chunk + 1) // chunks * PANEL, N)

"""Fused cells, one file each: the loops over the steps of a block, and the update of a streaming step.

Every module of this folder is imported here, so a new fused cell is one new file. A cell from elsewhere calls the same
two functions, `recurrent.driver.register` and `streaming.cell.register`, when it is imported.
"""

from __future__ import annotations

import importlib
import pkgutil

from weft.backends.kernels.recurrent.driver import FusedCell, registered
from weft.backends.kernels.streaming.cell import StreamingCell, registered_cell

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")


def fused_cell(name: str) -> FusedCell | None:
    """The cell of that name for blocks, or None if it has no fused kernel."""
    return registered(name)


def streaming_cell(name: str) -> StreamingCell | None:
    """The cell of that name for streaming, or None if it has no streaming kernel."""
    return registered_cell(name)

"""Fused cells, one file each: the loops over the steps of a block, and the update of a streaming step.

Every module of this folder is imported here, so a new fused cell is one new file. A cell from elsewhere calls the same
two functions, `recurrent.driver.register` and `streaming.cell.register`, when it is imported.
"""

from __future__ import annotations

import importlib
import pkgutil

from weft.backends.kernels.recurrent.driver import fused_cell
from weft.backends.kernels.streaming.cell import streaming_cell

__all__ = ["fused_cell", "streaming_cell"]

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

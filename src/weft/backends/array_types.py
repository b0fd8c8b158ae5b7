"""Types of arrays and of recurrent states, for every array library."""

from __future__ import annotations

from typing import Any, TypeAlias

Array: TypeAlias = Any
"""An array of any library that follows the Python array API standard."""

State: TypeAlias = tuple[Array, ...]
"""The state of one recurrent layer: (h,) or (h, c), each (N, H)."""

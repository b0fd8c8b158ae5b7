"""The registered output layers by kind, the name by which `OutputSettings` choose one."""

from __future__ import annotations

from typing import Any

from weft.errors import InputError, nearest

registered: dict[str, type[Any]] = {}
"""Subclasses of `OutputLayer`; `weft.layers.output.base.register_output` adds them."""


def kinds() -> list[str]:
    """The registered kinds, `full` first."""
    return sorted(registered, key=lambda name: (name != "full", name))


def registered_layer(kind: str) -> type[Any]:
    """The class registered under `kind`; raises InputError with the known kinds if there is none."""
    if kind not in registered:
        raise InputError(f"output must be one of {', '.join(kinds())}, got {kind!r}{nearest(kind, kinds())}")
    return registered[kind]

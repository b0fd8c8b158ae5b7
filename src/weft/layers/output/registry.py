"""The registered output layers by kind, the name by which `OutputSettings` choose one."""

from __future__ import annotations

from typing import Any

from weft.errors import InputError, nearest

registered: dict[str, type[Any]] = {}
"""Subclasses of `OutputLayer`; `weft.layers.output.base.register_output` adds them."""


def registered_layer(kind: str) -> type[Any]:
    """The class registered under `kind`; raises InputError with the known kinds if there is none."""
    if kind not in registered:
        known = sorted(registered, key=lambda name: (name != "full", name))
        raise InputError(f"output must be one of {', '.join(known)}, got {kind!r}{nearest(kind, known)}")
    return registered[kind]

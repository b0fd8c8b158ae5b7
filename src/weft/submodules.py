"""Submodules as attributes of their package without an import of their own, for `__getattr__` of packages."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from types import ModuleType


def import_submodule(package: str, name: str) -> ModuleType:
    """The module `package.name`, imported now; raises AttributeError if there is none."""
    module = f"{package}.{name}"
    if name.startswith("_") or find_spec(module) is None:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    return importlib.import_module(module)

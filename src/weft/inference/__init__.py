"""Inference with the state as a value: frozen models, the state after a text, sampling."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

from weft.submodules import import_submodule

if not TYPE_CHECKING:

    def __getattr__(name: str) -> ModuleType:
        return import_submodule(__name__, name)

"""Scores of texts by token or by word: one schema, and the formats in which it is written."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

from weft.scoring.text_scores import Wanted, score_lines, score_running
from weft.scoring.token_score import TokenScore
from weft.submodules import import_submodule

__all__ = ["TokenScore", "Wanted", "score_lines", "score_running"]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> ModuleType:
        return import_submodule(__name__, name)

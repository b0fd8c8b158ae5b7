"""Tables in, tables out: scores beside the other columns of a table, sums over regions, data frames, pictures."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

from weft.submodules import import_submodule
from weft.tables.frame import frame_of_lines, score_frame
from weft.tables.region_means import StudyColumns
from weft.tables.region_plot import region_figure, save_figure

__all__ = ["StudyColumns", "frame_of_lines", "region_figure", "save_figure", "score_frame"]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> ModuleType:
        return import_submodule(__name__, name)

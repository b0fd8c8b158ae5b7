"""Training by truncated back-propagation through time: the trainer and its parts."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

from weft.submodules import import_submodule
from weft.training.callbacks import Callback, Started, StopTraining
from weft.training.checkpoint import load_checkpoint, newest_checkpoint
from weft.training.metrics import EpochMetrics, read_metrics
from weft.training.progress import NoProgress, PlainProgress, Progress, Status
from weft.training.result import TrainingResult
from weft.training.safetensors_io import load_weights
from weft.training.trainer import Trainer

__all__ = [
    "Callback",
    "EpochMetrics",
    "NoProgress",
    "PlainProgress",
    "Progress",
    "Started",
    "Status",
    "StopTraining",
    "Trainer",
    "TrainingResult",
    "load_checkpoint",
    "load_weights",
    "newest_checkpoint",
    "read_metrics",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> ModuleType:
        return import_submodule(__name__, name)

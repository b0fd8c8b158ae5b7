"""The network without text: token ids in, scores out."""

from __future__ import annotations

from weft.model.network import RNNLM
from weft.model.steps import ModelState, Steps

__all__ = ["RNNLM", "ModelState", "Steps"]

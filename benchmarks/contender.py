"""Contenders: the implementations that a benchmark compares."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar

from weft.backends.fused import fused, why_not_bfloat16, why_not_fused

Case = TypeVar("Case")
Step = Callable[[], Any]
Context = Callable[[], AbstractContextManager[Any]]

FUSED, BFLOAT16, INT8 = WEFT_NAMES = ("weft fused", "weft bf16", "weft int8")
"""Contenders that other libraries are compared with: the ratio's denominator."""


class Unavailable(Exception):
    """A contender cannot run on this machine or on this case; the message is the reason in one line."""


@dataclass(frozen=True)
class Contender(Generic[Case]):
    """`make` prepares a case and returns the step to be timed; preparation and steps run within `context`."""

    name: str
    make: Callable[[Case], Step]
    context: Context = nullcontext


def fused_float32() -> AbstractContextManager[None]:
    """weft's fused kernels on all cores. Raises Unavailable if this machine cannot run them."""
    if reason := why_not_fused():
        raise Unavailable(reason)
    return fused()


def fused_bfloat16() -> AbstractContextManager[None]:
    """weft's fused kernels with bfloat16 operands in matrix products. Raises Unavailable if this machine cannot."""
    if reason := why_not_bfloat16():
        raise Unavailable(reason)
    return fused(precision="bfloat16")


def torch_bfloat16() -> AbstractContextManager[Any]:
    """PyTorch's autocast to bfloat16, which casts each weight once per context: while training, one context per step.

    Raises Unavailable if PyTorch cannot run an LSTM in bfloat16 on this processor.
    """
    import torch

    if not torch_lstm_supports_autocast():
        raise Unavailable("PyTorch cannot run an LSTM in bfloat16 on this processor")
    return torch.autocast("cpu", torch.bfloat16)


@cache
def torch_lstm_supports_autocast() -> bool:
    """True if PyTorch runs an LSTM under autocast to bfloat16."""
    import torch

    with torch.autocast("cpu", torch.bfloat16):
        try:
            torch.nn.LSTM(1, 1)(torch.zeros(1, 1, 1))
        except RuntimeError:
            return False
    return True


def counterpart(peer: str) -> str:
    """The name of weft's contender with the precision of the library `peer`."""
    return BFLOAT16 if "bf16" in peer else INT8 if "int8" in peer else FUSED

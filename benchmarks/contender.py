"""Who takes part in a comparison, and how one learns that somebody cannot."""

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

FUSED, BFLOAT16, INT8 = OURS = ("weft fused", "weft bf16", "weft int8")
"""The contenders whose figures the others' are divided by."""


class CannotTakePart(Exception):
    """A contender does not run here, or not on this case; the message is the reason in one line."""


@dataclass(frozen=True)
class Contender(Generic[Case]):
    """`make` prepares a case and gives the work to be timed; both run within `context`."""

    name: str
    make: Callable[[Case], Step]
    context: Context = nullcontext


def fused_float32() -> AbstractContextManager[None]:
    """Weft's fused kernels on all cores; raises CannotTakePart where they do not run."""
    if reason := why_not_fused():
        raise CannotTakePart(reason)
    return fused()


def fused_bfloat16() -> AbstractContextManager[None]:
    """The same with bfloat16 factors in the matrix products; raises CannotTakePart where they do not run."""
    if reason := why_not_bfloat16():
        raise CannotTakePart(reason)
    return fused(precision="bfloat16")


def torch_bfloat16() -> AbstractContextManager[Any]:
    """PyTorch's autocast; while it lasts, weights that are not trained are cast only once.

    Raises CannotTakePart on processors without bfloat16 where PyTorch does not run an LSTM in it either.
    """
    import torch

    if not torch_casts_lstms():
        raise CannotTakePart("PyTorch runs no LSTM in bfloat16 on this processor")
    return torch.autocast("cpu", torch.bfloat16)


@cache
def torch_casts_lstms() -> bool:
    """Whether an LSTM of PyTorch runs under autocast."""
    import torch

    with torch.autocast("cpu", torch.bfloat16):
        try:
            torch.nn.LSTM(1, 1)(torch.zeros(1, 1, 1))
        except RuntimeError:
            return False
    return True


def counterpart(peer: str) -> str:
    """The contender of ours that computes in the precision of `peer`."""
    return BFLOAT16 if "bf16" in peer else INT8 if "int8" in peer else FUSED

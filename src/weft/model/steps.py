"""Single steps: what a model offers that reads one token per stream at a time, and the state between two steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from weft.backends import Array
from weft.errors import InputError
from weft.layers.stack import StackState

ModelState = StackState


class Steps(Protocol):
    """A model that can be advanced by one token per stream: an `RNNLM` or a `StreamingModel`."""

    def step(self, ids: Array, state: ModelState) -> tuple[Array, ModelState]:
        """ids (N,) and the state before them -> scores (N, V) of the next token, and the state after them.

        ids: an array of any integer type, or a list. Raises InputError for ids that are not integers in [0, V), and for
        a state of other shapes.
        """

    def zero_state(self, streams: int) -> ModelState:
        """The state of `streams` streams before their first token."""


def check_state(state: ModelState, sizes: Sequence[int], streams: int) -> None:
    """Raise InputError unless the parts of `state` are arrays (N, size) for all `sizes`, with N = `streams`."""
    try:
        given = [tuple(part.shape) for layer_state in state for part in layer_state]
    except (TypeError, AttributeError):
        raise InputError(
            f"a state is a tuple with one tuple of arrays per layer, see zero_state; got {type(state).__name__}"
        ) from None
    needed = [(streams, size) for size in sizes]
    if given != needed:
        shown = [", ".join(map(str, shapes)) for shapes in (needed, given)]
        raise InputError(f"a step of {streams} streams needs states of shapes {shown[0]}, got {shown[1]}")


def check_streams(streams: int) -> None:
    """Raise InputError for fewer streams than 0."""
    if streams < 0:
        raise InputError(f"the number of streams must be at least 0, got {streams}")

"""What the trainer needs of a model and of the text, so that it depends on neither."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from weft.backends import State
from weft.layers.sparse_gradient import RowGradient
from weft.loss import Loss

Floats = NDArray[Any]
Integers = NDArray[Any]

NamedArrays = Mapping[str, Floats]
"""Arrays by name; the arrays themselves are updated in place."""


Gradient = Floats | RowGradient

NamedGradients = Mapping[str, Gradient]


class Trainable(Protocol):
    """A language model with parameters, gradients, and a hidden state that runs on from block to block."""

    @property
    def rng(self) -> np.random.Generator:
        """The source of dropout's random numbers; its state is part of a checkpoint."""

    @property
    def state(self) -> tuple[State, ...] | None:
        """Each layer's hidden state, arrays (N, H), after the last `loss`; None before any."""

    def set_state(self, state: tuple[State, ...]) -> None:
        """Continue from `state`; raises InputError if it is of another model."""

    def zero_state(self, streams: int) -> tuple[State, ...]:
        """The state of `streams` streams that have read nothing."""

    def named_parameters(self) -> dict[str, Floats]:
        """The live parameters by name."""

    def named_gradients(self) -> dict[str, Gradient]:
        """The gradients of the last `backward`: the same names in the same order."""

    def loss(self, xs: Integers, ts: Integers) -> Loss:
        """Training pass over a block: token ids xs (N, T), next tokens ts (N, T) -> nats and tokens."""

    def backward(self) -> None:
        """Gradient of the block's mean nats per token, into `named_gradients`."""


class BlockSource(Protocol):
    """An endless iterator of blocks (xs, ts), each (N, T) token ids, with a position that can be saved."""

    position: int
    """Set to a value read earlier, the blocks go on as they did from there."""

    @property
    def blocks_per_epoch(self) -> int:
        """How many blocks make one pass through the text."""

    def __next__(self) -> tuple[Integers, Integers]:
        """The next block of every stream."""

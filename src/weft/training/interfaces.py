"""The interfaces of the model and of the source of blocks, as far as the trainer needs them."""

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
"""Arrays by name, not copied: the arrays are updated in place."""

Gradient = Floats | RowGradient
"""The gradient of a parameter: an array of the same shape, or only the rows that are not zero."""

NamedGradients = Mapping[str, Gradient]


class Trainable(Protocol):
    """A language model with parameters, gradients, and a hidden state that is carried from block to block."""

    @property
    def rng(self) -> np.random.Generator:
        """The random generator of dropout and sampling, whose state is saved in a checkpoint."""

    @property
    def state(self) -> tuple[State, ...] | None:
        """Hidden state of each layer after the last `loss`, arrays (N, H); None before the first."""

    def set_state(self, state: tuple[State, ...]) -> None:
        """Set the hidden state. Raises InputError if its shapes are not those of the model."""

    def zero_state(self, streams: int) -> tuple[State, ...]:
        """The initial hidden state of `streams` streams: zeros."""

    def named_parameters(self) -> dict[str, Floats]:
        """The parameters by name, not copied."""

    def named_gradients(self) -> dict[str, Gradient]:
        """The gradients of the last `backward`, with the names of the parameters in the same order."""

    def loss(self, xs: Integers, ts: Integers) -> Loss:
        """Forward pass in training: token ids xs (N, T) and next tokens ts (N, T) -> nats and number of tokens."""

    def backward(self) -> None:
        """Backward pass: the gradient of the mean nats per token of the last `loss`; see `named_gradients`."""


class BlockSource(Protocol):
    """An endless iterator of blocks (xs, ts), token ids and next tokens, each (N, T), with a position to save."""

    position: int
    """Position of the next block. Setting it to an earlier value repeats the blocks from there."""

    @property
    def blocks_per_epoch(self) -> int:
        """The number of blocks in one pass through the text."""

    def __next__(self) -> tuple[Integers, Integers]:
        """The next block."""

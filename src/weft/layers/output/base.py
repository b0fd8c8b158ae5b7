"""What every output layer does: it says how likely each token of the vocabulary is after h, and what the targets cost.

How V probabilities come from h (R, H) is what the layers differ in, and how their parameters meet a tied embedding.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from weft.backends import Array, OutputKernel
from weft.errors import InputError
from weft.layers.layer import Layer, check_shape
from weft.layers.output.registry import registered
from weft.layers.output.settings import OutputSettings
from weft.layers.output.sliced import SlicedOutput
from weft.layers.softmax import checked_labels
from weft.layers.sparse_gradient import RowGradient
from weft.loss import NOTHING, Loss

if TYPE_CHECKING:
    import numpy as np

Own = TypeVar("Own", bound="OutputLayer")


class OutputLayer(Layer, ABC):
    """`forward(hs (N, T, H), ts (N, T)) -> mean nats` over the targets that are not `ignore_label`.

    The sum and the count are in `loss`. `forward` takes the gradient as well: `grads` is set by it, and
    `backward() -> dhs (N, T, H)` only hands on the rest. Everything else is exact and keeps nothing.
    """

    kind: ClassVar[str]
    """As in the settings."""
    by_rows: ClassVar[bool] = False
    """Whether the first parameter is W (V, H), a row a token as in an embedding, with a `RowGradient`."""
    ties: ClassVar[bool] = True
    """Whether the first parameter can be an embedding's."""
    exact: ClassVar[bool] = True
    """Whether the loss of `forward` is exact, and not an estimate from samples."""
    vocab_size: int

    def __init__(self, *params: Array, rows: int | None = None, ignore_label: int = -1) -> None:
        super().__init__(*params)
        if rows is not None and rows < 1:
            raise InputError(f"an output layer works on slices of at least 1 row, got {rows}")
        self.rows = rows
        self.ignore_label = ignore_label
        self.loss = NOTHING
        self._dhs: Array = None

    @classmethod
    @abstractmethod
    def initial_parameters(
        cls, rng: np.random.Generator, H: int, V: int, settings: OutputSettings
    ) -> list[np.ndarray[Any, Any]]:
        """Parameters to start training from, normal with standard deviation 1/√rows, and zero (float64)."""

    @classmethod
    def tied_parameters(cls, E: Array) -> list[Array]:
        """The same where the first is the embedding E (V, D) itself; raises InputError where it cannot be."""
        raise not_tied(cls.kind)

    @classmethod
    @abstractmethod
    def of(
        cls: type[Own],
        params: Sequence[Array],
        settings: OutputSettings,
        rng: np.random.Generator,
        order: Array | None,
        rows: int | None,
    ) -> Own:
        """The layer on these parameters. order (V,): the token ids from the most frequent on, None: as they are."""

    @abstractmethod
    def named(self, values: Iterable[Array]) -> dict[str, Array]:
        """One value a parameter, in the order of `params`, by the parameters' names."""

    @abstractmethod
    def forward(self, hs: Array, ts: Array) -> float:
        """The mean nats of the targets."""

    def backward(self) -> Array:
        """The gradient of the mean by hs."""
        return self._dhs

    @abstractmethod
    def log_probabilities(self, hs: Array, ts: Array) -> Array:
        """ln p(target) in nats (N, T), zero where the target is `ignore_label`."""

    @abstractmethod
    def scores(self, h: Array) -> Array:
        """Scores (R, V), whose softmax is what follows the rows h (R, H)."""

    def exactly(self) -> OutputLayer:
        """A layer on the same arrays whose `forward` is exact; this one, where it is."""
        return self

    @property
    @abstractmethod
    def affine(self) -> tuple[Array, Array] | None:
        """W (H, V) and b (V,), where the scores are h W + b; None where they are not."""

    def tied_gradient(self, dE: RowGradient) -> Array | RowGradient:
        """The gradient of a tied embedding: dE, what came to it through the inputs, and what came through here.

        It may be in the memory of this layer's own gradient.
        """
        raise not_tied(self.kind)

    @abstractmethod
    def scores_size(self, rows: int) -> int:
        """About how many scores `forward` holds at once for so many rows."""

    def _flat(self, hs: Array, ts: Array, H: int) -> tuple[Array, Array]:
        """Rows h (N·T, H) and their targets t (N·T,), checked."""
        check_shape("hs", hs, ("N", "T", H))
        ts = checked_labels(self.backend, ts, (*hs.shape[:2], self.vocab_size), self.ignore_label)
        return self.xp.reshape(hs, (-1, H)), self.xp.reshape(ts, (-1,))

    def _take(self, nats: Array, tokens: int, dh: Array, shape: tuple[int, ...]) -> float:
        """Store the nats (N·T,) and dh (N·T, H) of a block of hidden states of `shape`; returns the mean nats."""
        self.set_result(self.xp.reshape(nats, shape[:2]), self.xp.reshape(dh, shape), tokens)
        return self.loss.nats / max(self.loss.tokens, 1)

    def set_result(self, nats: Array, dhs: Array, tokens: int) -> Loss:
        """Store the result of a forward pass, nats (N, T) over `tokens` tokens and dhs (N, T, H); returns `loss`."""
        self.nats, self._dhs = nats, dhs
        self.loss = Loss(self.backend.total(nats), tokens)
        return self.loss

    def _kernel(self) -> OutputKernel:
        fused = self.backend.fused
        kernel = fused.output_kernel(self.params[0].dtype) if fused else None
        return kernel or SlicedOutput(self.backend, self.rows)


def register_output(layer: type[Own]) -> type[Own]:
    """Class decorator: `OutputSettings(output=layer.kind)` chooses this layer. Raises InputError for a kind in use."""
    if layer.kind in registered:
        raise InputError(f"the output {layer.kind!r} is registered already; give {layer.__name__} another kind")
    registered[layer.kind] = layer
    return layer


def not_tied(kind: str) -> InputError:
    """That an output layer of this kind has no matrix with a row for every token."""
    return InputError(f"the output {kind!r} has no matrix that could be the embedding's: leave tied out")

"""OutputLayer: from hidden states to a distribution over the vocabulary and the loss of the targets.

The subclasses differ in how V probabilities are computed from h (R, H), and in how their parameters share memory with a
tied embedding.
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

    After it, `loss` is the sum of nats and the number of targets, and `nats` (N, T) those of each target. `forward`
    computes the gradients too: it writes `grads`, and `backward() -> dhs (N, T, H)` returns what it stored. The other
    methods are exact and do not change the layer. Raises InputError for arrays of other shapes, for targets outside
    [0, V) other than `ignore_label`, and for `rows` below 1.
    """

    kind: ClassVar[str]
    """The name by which `OutputSettings.output` chooses the layer; see `register_output`."""
    by_rows: ClassVar[bool] = False
    """True if the first parameter is W (V, H), with one row per token like an embedding, and has a `RowGradient`."""
    ties: ClassVar[bool] = True
    """True if the first parameter can be an embedding's W, in place or transposed."""
    exact: ClassVar[bool] = True
    """True if the loss of `forward` is exact, False if it is an estimate from samples."""
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
        """Initial parameters in float64: matrices normal with standard deviation 1/√rows, biases zero."""

    @classmethod
    def tied_parameters(cls, E: Array) -> list[Array]:
        """Initial parameters that share E (V, D) with an embedding; raises InputError unless the layer `ties`."""
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
        """The layer with these parameters.

        order (V,): the ids in order of falling frequency; None: 0, 1, 2, … rows: see `TimeOutputWithLoss`.
        """

    @abstractmethod
    def named(self, values: Iterable[Array]) -> dict[str, Array]:
        """`values`, one per parameter in the order of `params`, by names that depend on their number alone."""

    @abstractmethod
    def forward(self, hs: Array, ts: Array) -> float:
        """The mean nats of the targets ts (N, T) given hs (N, T, H); stores the loss and the gradients."""

    def backward(self) -> Array:
        """dhs (N, T, H), the gradient of the mean nats of the last `forward`."""
        return self._dhs

    @abstractmethod
    def log_probabilities(self, hs: Array, ts: Array) -> Array:
        """ln P(target) (N, T) in nats, zero where the target is `ignore_label`; never above 0, nor -0.0."""

    @abstractmethod
    def scores(self, h: Array) -> Array:
        """Scores (R, V) for hidden states h (R, H); P(next token = v) is their softmax."""

    def exactly(self) -> OutputLayer:
        """A layer with the same arrays whose `forward` is exact; this layer if it is exact."""
        return self

    @property
    @abstractmethod
    def affine(self) -> tuple[Array, Array] | None:
        """W (H, V) and b (V,) if the scores are h W + b, otherwise None."""

    def tied_gradient(self, dE: RowGradient) -> Array | RowGradient:
        """The gradient of a tied embedding: dE, that through the inputs, plus that through this layer.

        The result may share memory with this layer's gradient. Raises InputError unless the layer `ties`.
        """
        raise not_tied(self.kind)

    @abstractmethod
    def scores_size(self, rows: int) -> int:
        """About how many scores `forward` computes at once for a number of rows."""

    def _flattened(self, hs: Array, ts: Array, H: int) -> tuple[Array, Array]:
        """h (N·T, H) and targets t (N·T,); raises InputError for other shapes and for targets out of range."""
        check_shape("hs", hs, ("N", "T", H))
        ts = checked_labels(self.backend, ts, (*hs.shape[:2], self.vocab_size), self.ignore_label)
        return self.xp.reshape(hs, (-1, H)), self.xp.reshape(ts, (-1,))

    def _parameter_names(self) -> Iterable[str]:
        return self.named(self.params)

    def _negated(self, nats: Array, shape: tuple[int, ...]) -> Array:
        """ln P = -nats (R,) in another shape; 0 - nats, since -0.0 would be shown as "-0"."""
        return self.xp.reshape(0 - nats, shape)

    def _store(self, nats: Array, tokens: int, dh: Array, shape: tuple[int, ...]) -> float:
        """Store nats (N·T,) over `tokens` targets and dh (N·T, H), for hs of `shape`; returns the mean nats."""
        self.set_result(self.xp.reshape(nats, shape[:2]), self.xp.reshape(dh, shape), tokens)
        return self.loss.nats / max(self.loss.tokens, 1)

    def set_result(self, nats: Array, dhs: Array, tokens: int) -> Loss:
        """Store the result of a forward pass: nats (N, T) over `tokens` targets and dhs (N, T, H). Returns `loss`."""
        self.nats, self._dhs = nats, dhs
        self.loss = Loss(self.backend.total(nats), tokens)
        return self.loss

    def _kernel(self) -> OutputKernel:
        """The fused kernel if there is one, otherwise slices of the scores."""
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
    """The error for tied weights with an output layer that has no matrix with one row or column per token."""
    return InputError(f"the output {kind!r} has no matrix that could be the embedding's: leave tied out")

"""The regularization of a model in training: its dropouts and penalties, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from weft.errors import InputError

if TYPE_CHECKING:
    from weft.layers.cell import Cell


@dataclass(frozen=True, kw_only=True)
class Regularization:
    """Dropout probabilities in [0, 1) and weights of penalties; all are off by default, and none applies in evaluation.

    dropout_in, dropout_between, dropout_out   of activations after the embedding, between layers and after the last
                         layer; None: the model's `dropout`
    dropout_locked       drop the same units at all steps of a block (`LockedDropout`)
    embedding_dropout    of token types (`EmbeddingDropout`)
    weight_dropout       of recurrent weights (`WeightDropout`)
    activation_penalty   α, on the last layer's output after dropout (`ActivationPenalty`)
    temporal_penalty     β, on the changes of the last layer's output before dropout (`TemporalPenalty`)
    """

    dropout_in: float | None = None
    dropout_between: float | None = None
    dropout_out: float | None = None
    dropout_locked: bool = False
    embedding_dropout: float = 0.0
    weight_dropout: float = 0.0
    activation_penalty: float = 0.0
    temporal_penalty: float = 0.0

    @classmethod
    def among(cls, settings: Mapping[str, Any]) -> Regularization:
        """The settings among `settings` that are fields of this class."""
        return cls(**{item.name: settings[item.name] for item in fields(cls) if item.name in settings})

    def dropouts(self, layers: int, dropout: float) -> list[float]:
        """The dropout probabilities before each layer and after the last one, (layers + 1); `dropout` replaces None."""
        return [dropout if ratio is None else ratio for ratio in self._given(layers)]

    def uses_dropout(self, layers: int) -> bool:
        """True if the model's `dropout` applies anywhere in a stack of this number of layers."""
        return None in self._given(layers)

    def check(self, cell: type[Cell], layers: int, dropout: float | None) -> None:
        """Raise InputError for settings without effect in layers of this cell; `dropout` None: not chosen yet."""
        if layers == 1 and self.dropout_between is not None:
            raise InputError(
                f"dropout_between {self.dropout_between:g} has no effect with layers 1: leave it out, or set layers"
            )
        if dropout and not self.uses_dropout(layers):
            raise InputError(
                f"dropout {dropout:g} has no effect where every place has a share of its own: leave out dropout, or "
                "one of dropout_in, dropout_between and dropout_out"
            )
        undecided = dropout is None and self.uses_dropout(layers)
        if self.dropout_locked and not undecided and not any(self.dropouts(layers, dropout or 0.0)):
            raise InputError("dropout_locked has no effect without dropout: leave it out, or set dropout")
        if self.weight_dropout and not cell.recurs:
            raise InputError(
                f"weight_dropout drops recurrent weights, and the cell {cell.name!r} has none: leave it out"
            )

    def _given(self, layers: int) -> list[float | None]:
        return [self.dropout_in, *[self.dropout_between] * (layers - 1), self.dropout_out]

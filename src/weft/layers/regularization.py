"""What training adds so that a model does not learn its text by heart: which dropouts and penalties, and how much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from weft.errors import InputError

if TYPE_CHECKING:
    from weft.layers.cell import Cell


@dataclass(frozen=True, kw_only=True)
class Regularization:
    """Shares are probabilities in [0, 1); everything is off by default. Reading without training uses none of it.

    dropout_in, dropout_between, dropout_out   shares of activations dropped after the embedding, between layers and
                         after the last one; None: as the model's `dropout`
    dropout_locked       the same units at all steps of a block (`LockedDropout`)
    embedding_dropout    share of words dropped (`EmbeddingDropout`)
    weight_dropout       share of recurrent weights dropped (`WeightDropout`)
    activation_penalty   α, on the last layer's output after dropout (`ActivationPenalty`)
    temporal_penalty     β, on its changes from step to step before dropout (`TemporalPenalty`)
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
        """Those of `settings` that are fields of this class."""
        return cls(**{item.name: settings[item.name] for item in fields(cls) if item.name in settings})

    def dropouts(self, layers: int, dropout: float) -> list[float]:
        """The shares dropped before each of so many layers, and after the last, where `dropout` stands for None."""
        return [dropout if share is None else share for share in self._given(layers)]

    def leaves_open(self, layers: int) -> bool:
        """Whether the model's `dropout` has a say in a stack of so many layers."""
        return None in self._given(layers)

    def check(self, cell: type[Cell], layers: int, dropout: float | None) -> None:
        """Raise InputError for what would do nothing in so many layers of a cell; `dropout` None: yet to be chosen."""
        if layers == 1 and self.dropout_between is not None:
            raise InputError(
                f"dropout_between {self.dropout_between:g} has no effect with layers 1: leave it out, or set layers"
            )
        if dropout and not self.leaves_open(layers):
            raise InputError(
                f"dropout {dropout:g} has no effect where every place has a share of its own: leave out dropout, or "
                "one of dropout_in, dropout_between and dropout_out"
            )
        undecided = dropout is None and self.leaves_open(layers)
        if self.dropout_locked and not undecided and not any(self.dropouts(layers, dropout or 0.0)):
            raise InputError("dropout_locked has no effect without dropout: leave it out, or set dropout")
        if self.weight_dropout and not cell.recurs:
            raise InputError(
                f"weight_dropout drops recurrent weights, and the cell {cell.name!r} has none: leave it out"
            )

    def _given(self, layers: int) -> list[float | None]:
        return [self.dropout_in, *[self.dropout_between] * (layers - 1), self.dropout_out]

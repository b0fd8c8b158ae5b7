"""How the distribution over the next token comes from a hidden state, and how it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from weft.errors import InputError, nearest
from weft.layers.output.adaptive import TimeAdaptiveOutputWithLoss, checked_cutoffs
from weft.layers.output.base import OutputLayer, not_tied
from weft.layers.output.full import TimeOutputWithLoss
from weft.layers.output.sampled import TimeSampledOutputWithLoss

KINDS: dict[str, type[OutputLayer]] = {
    layer.kind: layer for layer in (TimeOutputWithLoss, TimeAdaptiveOutputWithLoss, TimeSampledOutputWithLoss)
}


@dataclass(frozen=True, kw_only=True)
class OutputSettings:
    """`output` is the kind of output layer. Raises InputError for values that no layer can have.

    full         a score for every token, in training too (`TimeOutputWithLoss`)
    adaptive     frequent tokens at full cost, rare ones in clusters that end at `cutoffs` (none: chosen by the size of
                 the vocabulary) and each see `cluster_factor` times fewer numbers than the one before
                 (`TimeAdaptiveOutputWithLoss`)
    sampled      as full, but trained on about `samples` tokens of the vocabulary (`TimeSampledOutputWithLoss`)
    """

    output: str = "full"
    cutoffs: tuple[int, ...] = ()
    cluster_factor: int = 4
    samples: int = 1024

    def __post_init__(self) -> None:
        if self.output not in KINDS:
            known = ", ".join(KINDS)
            raise InputError(f"output must be one of {known}, got {self.output!r}{nearest(self.output, KINDS)}")
        checked_cutoffs(self.cutoffs)
        for name in ("cluster_factor", "samples"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}")

    @classmethod
    def among(cls, settings: Mapping[str, Any]) -> OutputSettings:
        """Those of `settings` that are fields of this class."""
        return cls(**{item.name: settings[item.name] for item in fields(cls) if item.name in settings})

    @property
    def layer(self) -> type[OutputLayer]:
        """The class of the layer."""
        return KINDS[self.output]

    def check(self, tied: bool) -> None:
        """Raise InputError where weights are to be tied to an output layer that has no such matrix."""
        if tied and not self.layer.ties:
            raise not_tied(self.output)

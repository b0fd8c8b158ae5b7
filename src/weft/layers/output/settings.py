"""The choice of an output layer and its sizes, as data; `weft.layers.output.output_layer` finds the class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from weft.errors import InputError
from weft.layers.output.frequency import checked_cutoffs
from weft.layers.output.registry import registered_layer


@dataclass(frozen=True, kw_only=True)
class OutputSettings:
    """`output` is the kind of output layer; the other fields are sizes of layers that need them.

    full         a score for every token, in training too (`TimeOutputWithLoss`)
    adaptive     frequent tokens at full cost, rare ones in clusters that end at the frequency ranks `cutoffs` (none:
                 chosen by the size of the vocabulary); each cluster has a hidden size `cluster_factor` times smaller
                 than the one before (`TimeAdaptiveOutputWithLoss`)
    sampled      as full, but trained on a sample of about `samples` tokens (`TimeSampledOutputWithLoss`)

    Raises InputError for an unknown kind and for values that no layer can have.
    """

    output: str = "full"
    cutoffs: tuple[int, ...] = ()
    cluster_factor: int = 4
    samples: int = 1024

    def __post_init__(self) -> None:
        registered_layer(self.output)
        checked_cutoffs(self.cutoffs)
        for name in ("cluster_factor", "samples"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}")

    @classmethod
    def among(cls, settings: Mapping[str, Any]) -> OutputSettings:
        """The settings among `settings` that are fields of this class."""
        return cls(**{item.name: settings[item.name] for item in fields(cls) if item.name in settings})

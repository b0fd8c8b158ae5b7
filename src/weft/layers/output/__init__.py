"""Output layers: scores over the vocabulary, softmax and loss; full, adaptive and sampled.

A new output layer is a file that defines a class with the decorator `register_output`, and an import of it here. Its
kind is then a choice of `weft train --output`, as is that of a class registered elsewhere.
"""

from __future__ import annotations

from weft.layers.output.adaptive import TimeAdaptiveOutputWithLoss
from weft.layers.output.base import OutputLayer, not_tied
from weft.layers.output.full import TimeOutputWithLoss
from weft.layers.output.registry import registered_layer
from weft.layers.output.sampled import TimeSampledOutputWithLoss

__all__ = [
    "TimeAdaptiveOutputWithLoss",
    "TimeOutputWithLoss",
    "TimeSampledOutputWithLoss",
    "check_tied",
    "output_layer",
]


def output_layer(kind: str) -> type[OutputLayer]:
    """The output layer registered under `kind`; raises InputError with the known kinds if there is none."""
    return registered_layer(kind)


def check_tied(kind: str, tied: bool) -> None:
    """Raise InputError if weights are to be tied and the output layer has no matrix that could be the embedding's."""
    if tied and not output_layer(kind).ties:
        raise not_tied(kind)

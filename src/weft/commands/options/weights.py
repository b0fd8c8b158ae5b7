"""The option --weights: the precision of the weights, and whether compiled streaming steps save time."""

from __future__ import annotations

from typing import Annotated

from weft.backends.fused import saying_when_compiling, why_not_fused
from weft.backends.quantization import WEIGHTS, check_weights
from weft.commands.help import SPEED
from weft.commands.options.declaration import choice_option
from weft.language_model import LanguageModel
from weft.presentation.streams import note

COMPILING_PAYS = 5_000_000_000
"""Weights read in single steps above which compiled steps save more time than loading them takes."""

WeightsOption = Annotated[
    str,
    choice_option(WEIGHTS, "Precision of the weights; fewer bits are faster and less exact.", group=SPEED),
]


def with_weights(lm: LanguageModel, weights: str, steps: int = 0) -> LanguageModel:
    """`lm` with rounded weights, prepared for `steps` steps of one token each.

    Raises InputError for an unknown name in `weights`.
    """
    check_weights(weights)
    compiled = steps * sum(parameter.size for parameter in lm.model.params) >= COMPILING_PAYS
    if weights == "float32" and not compiled:
        return lm
    if not compiled or why_not_fused() is not None:
        return lm.frozen(weights, kernels="plain")
    with saying_when_compiling(note):
        return lm.frozen(weights)

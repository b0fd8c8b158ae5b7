"""In how many bits a command reads the weights, and whether its steps are worth compiled ones."""

from __future__ import annotations

import sys
import threading
from typing import Annotated

import typer

from weft.backends.quantization import WEIGHTS, check_weights
from weft.language_model import LanguageModel

WORTH_LOADING = 5_000_000_000
"""Weights read, one step after another, from which on compiled steps save more time than loading them takes."""

WeightsOption = Annotated[
    str,
    typer.Option(
        metavar="|".join(WEIGHTS), help="Round the weights: a half or a quarter to read for each token, and less exact."
    ),
]


def with_weights(lm: LanguageModel, weights: str, steps: int = 0) -> LanguageModel:
    """`lm` on rounded weights, and made ready for so many steps of one token; raises InputError for unknown weights."""
    check_weights(weights)
    worth = steps * sum(parameter.size for parameter in lm.model.params) >= WORTH_LOADING
    if weights == "float32" and not worth:
        return lm
    frozen = lm.frozen(weights, kernels="auto" if worth else "plain")
    if worth:
        _compile(frozen)
    return frozen


def _compile(lm: LanguageModel) -> None:
    """Take a first step, and say why if that takes a while."""
    what = "compiling the streaming kernels; they are kept for the next time"
    saying = threading.Timer(1.5, lambda: print(what, file=sys.stderr))
    saying.start()
    try:
        lm.start()
    finally:
        saying.cancel()

"""The unigram model: the frequency of a token in the training text, without any context.

    P(v) = (count(v) + 1) / (total + V)

with one added to every count (Laplace), so that no token has probability zero. It is the baseline for what a model has
learnt from context.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.loss import NOTHING, Loss


def unigram_loss(counts: Sequence[int], chunks: Iterable[NDArray[Any]]) -> Loss:
    """The loss of a text, given as chunks of token ids, under the unigram model of the training counts (V,)."""
    smoothed = np.asarray(counts, dtype=np.float64) + 1
    nats = np.log(smoothed.sum()) - np.log(smoothed)
    loss = NOTHING
    for ids in chunks:
        loss = loss.plus(Loss(float(nats[ids].sum()), len(ids)))
    return loss

"""Grid search over the settings of adaptation: the loss of a held-out text under each setting.

Each rule for changing weights needs a reading of its own. Caches do not: a cache changes only the probabilities, not
the hidden states, so one reading gives the states from which the loss under every cache is computed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.adaptation.cache import Cache, Memory
from weft.adaptation.dynamic_evaluation import Dynamic
from weft.adaptation.model import AdaptingModel
from weft.adaptation.reading_pass import BLOCK
from weft.errors import TrainingDivergedError
from weft.evaluation.evaluate import loss_of
from weft.loss import NOTHING, Loss
from weft.model import RNNLM

Ids = NDArray[Any]


def rule_losses(model: RNNLM, rules: Iterable[Dynamic], ids: Ids, first_id: int) -> Iterator[Loss]:
    """The loss of the token ids (L,), read after the token `first_id`, under each rule of dynamic evaluation.

    The loss is infinite where the weights diverge.
    """
    for rule in rules:
        loss = NOTHING
        try:
            for numbers in AdaptingModel(model, rule).reading(None).running([ids], first_id):
                loss = loss.plus(loss_of(numbers[:, 0]))
        except TrainingDivergedError:
            loss = Loss(math.inf, len(ids))
        yield loss


def cache_losses(model: RNNLM, dynamic: Dynamic | None, caches: Sequence[Cache], ids: Ids, first_id: int) -> list[Loss]:
    """The loss under each cache, the weights changing by `dynamic`. The text is read once; its states are kept."""
    adapting = AdaptingModel(model, dynamic, Cache(max(len(ids), 1), weight=0.0))
    inputs = np.concatenate(([first_id], ids))[:-1]
    numbers, state = adapting.read(inputs, ids, adapting.zero_state(1), None)
    keys, words = state.cache
    return [_loss(numbers[:, 0], keys, words, cache) for cache in caches]


def best(losses: Sequence[Loss]) -> int:
    """The index of the lowest of several losses of one text; of equal losses the first."""
    return int(np.argmin([loss.nats for loss in losses]))


def caches_with(cache: Cache, weights: Iterable[float], flatnesses: Iterable[float]) -> list[Cache]:
    """Caches of the size of `cache`, with every combination of weight and flatness."""
    weights = list(weights)
    return [replace(cache, weight=weight, flatness=flatness) for flatness in flatnesses for weight in weights]


def _loss(logs: NDArray[np.float64], keys: NDArray[Any], words: Ids, cache: Cache) -> Loss:
    """The loss from ln P without a cache (L,), the states before the words (L, H) and the words (L,)."""
    nats = 0.0
    for first in range(0, len(words), BLOCK):
        now, before = slice(first, first + BLOCK), slice(max(0, first - cache.size), first)
        recall = Memory(keys[before], words[before]).recall(keys[now], words[now], cache)
        nats -= float(cache.mixed(logs[now], recall.of(words[now]), recall.nonempty).sum())
    return Loss(nats, len(words))

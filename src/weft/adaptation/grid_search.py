"""Settings of adaptation, tried on a held-out text: each costs what the text costs with it.

How the weights change has to be tried one setting after another. A cache changes nothing but the answer: the states
are kept from one reading, and every cache of that size is worked out on them.
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
from weft.adaptation.model import BLOCK, AdaptingModel
from weft.errors import TrainingDivergedError
from weft.loss import NOTHING, Loss
from weft.model import RNNLM

Ids = NDArray[Any]


def losses_of_rules(model: RNNLM, rules: Iterable[Dynamic], ids: Ids, first_id: int) -> Iterator[Loss]:
    """What the text of token ids (L,), read after `first_id`, costs by each way of changing weights.

    It is infinite where the weights run off.
    """
    for rule in rules:
        loss = NOTHING
        try:
            for numbers in AdaptingModel(model, rule).reading(None).running([ids], first_id):
                loss = loss.plus(Loss(-float(numbers.sum()), len(numbers)))
        except TrainingDivergedError:
            loss = Loss(math.inf, len(ids))
        yield loss


def losses_of_caches(
    model: RNNLM, dynamic: Dynamic | None, caches: Sequence[Cache], ids: Ids, first_id: int
) -> list[Loss]:
    """What the text costs with each cache, while the weights change as given. It is read once, and its states kept."""
    adapting = AdaptingModel(model, dynamic, Cache(max(len(ids), 1), weight=0.0))
    inputs = np.concatenate(([first_id], ids))[:-1]
    numbers, state = adapting.read(inputs, ids, adapting.zero_state(1), None)
    keys, words = state.cache
    return [_loss(numbers[:, 0], keys, words, cache) for cache in caches]


def best(losses: Sequence[Loss]) -> int:
    """Which loss of one text is the lowest, the first of them if several are."""
    return int(np.argmin([loss.nats for loss in losses]))


def grid(cache: Cache, weights: Iterable[float], flatnesses: Iterable[float]) -> list[Cache]:
    """Caches of one size with each of these weights and each flatness."""
    weights = list(weights)
    return [replace(cache, weight=weight, flatness=flatness) for flatness in flatnesses for weight in weights]


def _loss(logs: NDArray[np.float64], keys: NDArray[Any], words: Ids, cache: Cache) -> Loss:
    nats = 0.0
    for first in range(0, len(words), BLOCK):
        now, before = slice(first, first + BLOCK), slice(max(0, first - cache.size), first)
        recall = Memory(keys[before], words[before]).recall(keys[now], words[now], cache)
        nats -= float(cache.mixed(logs[now], recall.of(words[now]), recall.some).sum())
    return Loss(nats, len(words))

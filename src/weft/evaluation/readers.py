"""Readers: K numbers for every target of a block, the first of them its log-probability.

`LogProbabilities` computes ln P alone, as fast as the output layer can. `Distributions` computes the whole predicted
distribution, a slice of rows at a time, so that the scores of a block (N·T rows of V numbers) never exist at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from weft.backends import backend_of
from weft.layers.output.sliced import SLICE_BYTES
from weft.model import RNNLM, ModelState

Ids = NDArray[Any]
Numbers = NDArray[Any]

LOGPROB, ENTROPY, RANK, BOUNDARY, ALTERNATIVES = range(5)
"""Columns of `Distributions`; from ALTERNATIVES on, the ids of the alternatives and then their ln P."""


class Reader(Protocol):
    """Reads blocks with a model; K numbers for every target."""

    @property
    def model(self) -> RNNLM: ...

    @property
    def width(self) -> int:
        """K; the first number is ln P(target | everything before), in nats."""

    def read(self, xs: Ids, ts: Ids, state: ModelState) -> tuple[Numbers, ModelState]:
        """Inputs xs and targets ts (N, T) -> numbers (N, T, K), zero where the target is -1, and the state after."""


class LogProbabilities:
    """ln P of every target in nats, and nothing else: K = 1."""

    width = 1

    def __init__(self, model: RNNLM) -> None:
        self.model = model

    def read(self, xs: Ids, ts: Ids, state: ModelState) -> tuple[Numbers, ModelState]:
        nats, state = self.model.log_probabilities(xs, ts, state)
        return backend_of(nats).to_numpy(nats)[..., None], state


@dataclass(frozen=True)
class Measures:
    """The measures to compute of every predicted distribution P(v), v in the vocabulary.

    entropy       -Σ_v P(v) ln P(v), in nats
    rank          of the target: 1 + the number of tokens that are likelier
    alternatives  how many of the likeliest tokens, with ln P
    boundary      ln of the probability of the set of these token ids; None: not computed
    """

    entropy: bool = False
    rank: bool = False
    alternatives: int = 0
    boundary: NDArray[np.int64] | None = None


class Distributions:
    """ln P of every target and the `measures` of its predicted distribution; columns as named above.

    Columns of measures that are not computed are zero. rows: rows of scores in a slice, by default about 16 MB.
    """

    def __init__(self, model: RNNLM, measures: Measures, rows: int | None = None) -> None:
        self.model, self.measures = model, measures
        self.alternatives = min(measures.alternatives, model.vocab_size)
        self.width = ALTERNATIVES + 2 * self.alternatives
        self.rows = rows

    def read(self, xs: Ids, ts: Ids, state: ModelState) -> tuple[Numbers, ModelState]:
        hs, state = self.model.hidden_states(xs, state)
        h, t = hs.reshape(-1, hs.shape[-1]), ts.reshape(-1)
        result = np.zeros((len(t), self.width))
        wanted = np.flatnonzero(t != -1)
        rows = self.rows or max(1, SLICE_BYTES // (self.model.vocab_size * hs.dtype.itemsize))
        for first in range(0, len(wanted), rows):
            part = wanted[first : first + rows]
            scores = self.model.output.scores(h[part])
            result[part] = self.measure(backend_of(scores).to_numpy(scores), t[part])
        return result.reshape(*ts.shape, -1), state

    def measure(self, scores: Numbers, targets: Ids) -> Numbers:
        """The numbers (R, K) of targets (R,) whose predicted distributions are the softmax of scores (R, V)."""
        result = np.zeros((len(targets), self.width))
        shifted = scores - scores.max(axis=1, keepdims=True)
        target = shifted[np.arange(len(targets)), targets]
        weights = np.exp(shifted)
        total = weights.sum(axis=1)
        log_total = np.log(total)
        result[:, LOGPROB] = target - log_total
        if self.measures.entropy:
            result[:, ENTROPY] = log_total - np.einsum("rv,rv->r", weights, shifted) / total
        if self.measures.rank:
            result[:, RANK] = 1 + (shifted > target[:, None]).sum(axis=1)
        if self.measures.boundary is not None:
            boundary = _log_sum_exp(shifted[:, self.measures.boundary]) - log_total
            result[:, BOUNDARY] = np.minimum(boundary, 0)  # both sums are rounded
        if self.alternatives:
            likeliest, values = _likeliest(shifted, self.alternatives)
            result[:, ALTERNATIVES : ALTERNATIVES + self.alternatives] = likeliest
            result[:, ALTERNATIVES + self.alternatives :] = values - log_total[:, None]
        return result


def _log_sum_exp(values: Numbers) -> Numbers:
    largest = values.max(axis=1)
    total: Numbers = largest + np.log(np.exp(values - largest[:, None]).sum(axis=1))
    return total


def _likeliest(scores: Numbers, count: int) -> tuple[Ids, Numbers]:
    """The columns of the `count` largest scores of every row, and these scores, the largest first."""
    columns = np.sort(np.argpartition(-scores, count - 1, axis=1)[:, :count], axis=1)
    values = np.take_along_axis(scores, columns, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(columns, order, axis=1), np.take_along_axis(values, order, axis=1)

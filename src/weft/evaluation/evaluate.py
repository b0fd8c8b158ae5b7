"""What a running text costs a model, counted over every token once, and over the words it does not know apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.evaluation.perplexity import perplexity
from weft.evaluation.running_text import running_text
from weft.layers.softmax import NOTHING, Loss
from weft.model import RNNLM


@dataclass(frozen=True)
class Evaluation:
    """`loss`: all tokens. `oov_loss`: those of them that stand for words outside the vocabulary."""

    loss: Loss
    oov_loss: Loss

    @property
    def perplexity(self) -> float:
        """Perplexity over all tokens."""
        return perplexity(self.loss)

    @property
    def perplexity_without_oov(self) -> float | None:
        """Perplexity over the tokens of known words; None if there is none."""
        known = Loss(self.loss.nats - self.oov_loss.nats, self.loss.tokens - self.oov_loss.tokens)
        return perplexity(known) if known.tokens else None


def evaluate(
    model: RNNLM,
    chunks: Iterable[tuple[NDArray[Any], NDArray[np.bool_]]],
    first_id: int,
    streams: int = 1,
    block_length: int = 64,
) -> Evaluation:
    """The cost of a running text given as chunks of token ids and out-of-vocabulary marks, both 1-D.

    It is read after the token `first_id`. The result depends neither on `streams` nor on `block_length`.
    """
    loss = oov_loss = NOTHING
    marks = _Queue()

    def ids() -> Iterator[NDArray[Any]]:
        for chunk, oov in chunks:
            marks.put(oov)
            yield chunk

    for nats in running_text(model, ids(), first_id, streams, block_length):
        oov = marks.take(len(nats))
        loss = loss.plus(Loss(-float(nats.sum(dtype=np.float64)), len(nats)))
        oov_loss = oov_loss.plus(Loss(-float(nats[oov].sum(dtype=np.float64)), int(oov.sum())))
    return Evaluation(loss, oov_loss)


def evaluate_tokens(model: RNNLM, ids: NDArray[Any], first_id: int, streams: int = 1, block_length: int = 64) -> Loss:
    """The cost of a running text given as token ids (L,), which may be a memory map; as `evaluate` otherwise."""
    loss = NOTHING
    for nats in running_text(model, [ids], first_id, streams, block_length):
        loss = loss.plus(Loss(-float(nats.sum(dtype=np.float64)), len(nats)))
    return loss


class _Queue:
    """Marks that go in by chunks of one size and come out by chunks of another."""

    def __init__(self) -> None:
        self._held: list[NDArray[np.bool_]] = []

    def put(self, marks: NDArray[np.bool_]) -> None:
        self._held.append(marks)

    def take(self, count: int) -> NDArray[np.bool_]:
        marks = np.concatenate(self._held)
        self._held = [marks[count:]]
        return marks[:count]

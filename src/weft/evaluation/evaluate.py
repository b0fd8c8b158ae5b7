"""What a running text costs a model, counted over every token once, and over the words it does not know apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.evaluation.perplexity import perplexity
from weft.evaluation.running_text import running_text
from weft.loss import NOTHING, Loss
from weft.model import RNNLM

Scored = tuple[NDArray[Any], NDArray[np.bool_]]
"""Of some tokens of a text in order, ln P in nats, and whether each stands for a word outside the vocabulary."""


@dataclass(frozen=True)
class Evaluation:
    """`loss`: all tokens. `oov_loss`: those of them that stand for words outside the vocabulary."""

    loss: Loss
    oov_loss: Loss

    def plus(self, other: Evaluation) -> Evaluation:
        """The cost of both texts."""
        return Evaluation(self.loss.plus(other.loss), self.oov_loss.plus(other.oov_loss))

    @property
    def perplexity(self) -> float:
        """Perplexity over all tokens."""
        return perplexity(self.loss)

    @property
    def perplexity_without_oov(self) -> float | None:
        """Perplexity over the tokens of known words; None if there is none."""
        known = Loss(self.loss.nats - self.oov_loss.nats, self.loss.tokens - self.oov_loss.tokens)
        return perplexity(known) if known.tokens else None


def token_nats(
    model: RNNLM,
    chunks: Iterable[tuple[NDArray[Any], NDArray[np.bool_]]],
    first_id: int,
    streams: int = 1,
    block_length: int = 64,
) -> Iterator[Scored]:
    """ln P(token | everything before) of every token of a running text, in order, each with its mark.

    The text is given as chunks of token ids and out-of-vocabulary marks, both 1-D, and read after the token `first_id`.
    The numbers depend neither on `streams` nor on `block_length`.
    """
    return with_marks(chunks, lambda ids: running_text(model, ids, first_id, streams, block_length))


def with_marks(
    chunks: Iterable[tuple[NDArray[Any], NDArray[np.bool_]]],
    read: Callable[[Iterator[NDArray[Any]]], Iterator[NDArray[Any]]],
) -> Iterator[Scored]:
    """What `read` gives for the ids of a text, in arrays of any lengths, each with the marks of its tokens."""
    marks = _Queue()

    def ids() -> Iterator[NDArray[Any]]:
        for chunk, oov in chunks:
            marks.put(oov)
            yield chunk

    for nats in read(ids()):
        yield nats, marks.take(len(nats))


def summed(scored: Iterable[Scored]) -> Evaluation:
    """The cost of a text given as the log-probabilities in nats of its tokens and their marks, in 1-D arrays."""
    result = Evaluation(NOTHING, NOTHING)
    for nats, oov in scored:
        loss = Loss(-float(nats.sum(dtype=np.float64)), len(nats))
        result = result.plus(Evaluation(loss, Loss(-float(nats[oov].sum(dtype=np.float64)), int(oov.sum()))))
    return result


def evaluate_tokens(model: RNNLM, ids: NDArray[Any], first_id: int, streams: int = 1, block_length: int = 64) -> Loss:
    """The cost of a running text given as token ids (L,), which may be a memory map; as `token_nats` otherwise."""
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

"""The loss of a running text: over all tokens, each counted once, and over the unknown words separately."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from weft.evaluation.perplexity import mean_bits, perplexity
from weft.evaluation.readers import Ids, LogProbabilities, Numbers
from weft.evaluation.running_text import read_running_text, running_text
from weft.loss import NOTHING, Loss
from weft.model import RNNLM, ModelState
from weft.text.size import TextSize

Scored = tuple[NDArray[Any], NDArray[np.bool_]]
"""Some tokens of a text in order: ln P in nats (L,), and the marks of words outside the vocabulary (L,)."""


@dataclass(frozen=True)
class Evaluation:
    """The loss of a text.

    loss      of all tokens
    oov_loss  the part of it from words outside the vocabulary
    size      of the text in characters, bytes and words; None if it is unknown
    """

    loss: Loss
    oov_loss: Loss
    size: TextSize | None = None

    def plus(self, other: Evaluation) -> Evaluation:
        """The loss of both texts together, whose size is unknown."""
        return Evaluation(self.loss.plus(other.loss), self.oov_loss.plus(other.oov_loss))

    @property
    def perplexity(self) -> float:
        """Perplexity over all tokens."""
        return perplexity(self.loss)

    @property
    def perplexity_without_oov(self) -> float | None:
        """Perplexity over the tokens of known words; None if there are none."""
        nats = max(0.0, self.loss.nats - self.oov_loss.nats)  # the difference of two rounded sums
        known = Loss(nats, self.loss.tokens - self.oov_loss.tokens)
        return perplexity(known) if known.tokens else None

    @property
    def bits_per_character(self) -> float | None:
        """Cross-entropy in bits per character of the text; None if its size is unknown.

        An unknown word counts with the probability of `<unk>`, without its letters, so with such words this is a lower
        bound. It compares models with different tokenizers, and so do the two below.
        """
        return mean_bits(self.loss.over(self.size.characters)) if self.size else None

    @property
    def bits_per_byte(self) -> float | None:
        """Cross-entropy in bits per byte of the text in UTF-8; None if its size is unknown."""
        return mean_bits(self.loss.over(self.size.bytes)) if self.size else None

    @property
    def perplexity_per_word(self) -> float | None:
        """exp(nats per word between white space or line end), whatever the tokens; None if the size is unknown."""
        return perplexity(self.loss.over(self.size.words)) if self.size else None


def token_nats(
    model: RNNLM,
    chunks: Iterable[tuple[NDArray[Any], NDArray[np.bool_]]],
    first_id: int,
    streams: int = 1,
    block_length: int = 64,
) -> Iterator[Scored]:
    """ln P(token | everything before) of every token of a running text, in order, with its mark.

    chunks: token ids and out-of-vocabulary marks, both 1-D; the text is read after the token `first_id`. The numbers
    depend neither on `streams` nor on `block_length`.
    """
    return with_marks(chunks, lambda ids: running_text(model, ids, first_id, streams, block_length))


def with_marks(
    chunks: Iterable[tuple[NDArray[Any], NDArray[np.bool_]]],
    read: Callable[[Iterator[NDArray[Any]]], Iterator[NDArray[Any]]],
) -> Iterator[Scored]:
    """The arrays that `read` yields for the ids of a text, of any lengths, each with the marks of its tokens."""
    marks = _MarkQueue()

    def ids() -> Iterator[NDArray[Any]]:
        for chunk, oov in chunks:
            marks.put(oov)
            yield chunk

    for nats in read(ids()):
        yield nats, marks.take(len(nats))


def summed(scored: Iterable[Scored]) -> Evaluation:
    """The loss of a text from the log-probabilities of its tokens in nats, and their marks."""
    result = Evaluation(NOTHING, NOTHING)
    for nats, oov in scored:
        result = result.plus(Evaluation(loss_of(nats), loss_of(nats[oov])))
    return result


@runtime_checkable
class StoredIds(Protocol):
    """Token ids (L,) that are not in memory; see `weft.text.tokens.TokenFile`."""

    def chunks(self) -> Iterator[NDArray[Any]]:
        """The ids in consecutive arrays."""


def evaluate_tokens(
    model: RNNLM,
    ids: NDArray[Any] | StoredIds,
    first_id: int,
    streams: int = 1,
    block_length: int = 64,
    before_block: Callable[[], None] | None = None,
) -> Loss:
    """The loss of the running text of token ids (L,); otherwise as `token_nats`.

    before_block  called before every block; may raise an exception to end the evaluation
    """
    reader = LogProbabilities(model) if before_block is None else _Calling(model, before_block)
    loss = NOTHING
    chunks = ids.chunks() if isinstance(ids, StoredIds) else [ids]
    for numbers in read_running_text(reader, chunks, first_id, streams, block_length):
        loss = loss.plus(loss_of(numbers[:, 0]))
    return loss


def loss_of(log_probabilities: NDArray[Any]) -> Loss:
    """The loss of tokens with these ln P in nats (L,)."""
    return Loss(0.0 - float(log_probabilities.sum(dtype=np.float64)), len(log_probabilities))


class _Calling(LogProbabilities):
    """Calls a function before it reads a block."""

    def __init__(self, model: RNNLM, before_block: Callable[[], None]) -> None:
        super().__init__(model)
        self.before_block = before_block

    def read(self, xs: Ids, ts: Ids, state: ModelState) -> tuple[Numbers, ModelState]:
        self.before_block()
        return super().read(xs, ts, state)


class _MarkQueue:
    """First in, first out; chunks of one size are put in, chunks of another are taken out."""

    def __init__(self) -> None:
        self._chunks: list[NDArray[np.bool_]] = []

    def put(self, marks: NDArray[np.bool_]) -> None:
        self._chunks.append(marks)

    def take(self, count: int) -> NDArray[np.bool_]:
        marks = np.concatenate(self._chunks)
        self._chunks = [marks[count:]]
        return marks[:count]

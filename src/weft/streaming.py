"""A text read so far, as a value: push on, look at what comes next, keep a copy, go back."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.errors import InputError
from weft.model import RNNLM, ModelState
from weft.text.tokenizer import Tokenizer


@dataclass(frozen=True, eq=False)
class TextState:
    """The model after some text. Never changes: `push` gives a new one, so any state can be kept and gone on from.

    state: the hidden states, (1, H) each; scores: of the next token, (1, V); surprisals: the tokens of the last `push`
    with their surprisal in bits; logprob_nats: ln P of all text pushed since the start.
    """

    model: RNNLM = field(repr=False)
    tokenizer: Tokenizer = field(repr=False)
    state: ModelState = field(repr=False)
    scores: Any = field(repr=False)
    surprisals: tuple[tuple[str, float], ...] = ()
    logprob_nats: float = 0.0

    @classmethod
    def start(cls, model: RNNLM, tokenizer: Tokenizer) -> TextState:
        """The state after `<eos>`, before the first token."""
        scores, state = model.step(_ids(model, tokenizer.eos_id), model.zero_state(1))
        return cls(model, tokenizer, state, scores)

    def push(self, text: str) -> TextState:
        """The state after reading on by `text`, in which a line end is an `<eos>`."""
        state, scores, total = self.state, self.scores, self.logprob_nats
        surprisals = []
        for id in self.tokenizer.encode(text.replace("\r\n", "\n")):
            nats = -float(_log_softmax(self._numpy(scores))[id])
            surprisals.append((self.tokenizer.token(id), nats / math.log(2)))
            total -= nats
            scores, state = self.model.step(_ids(self.model, id), state)
        return TextState(self.model, self.tokenizer, state, scores, tuple(surprisals), total)

    def next(self, k: int = 10) -> list[tuple[str, float]]:
        """The k likeliest next tokens with their probabilities, the likeliest first."""
        if k < 1:
            raise InputError(f"k must be at least 1, got {k}")
        probabilities = np.exp(_log_softmax(self._numpy(self.scores)))
        likeliest = np.argsort(-probabilities, kind="stable")[:k]
        return [(self.tokenizer.token(int(id)), float(probabilities[id])) for id in likeliest]

    def probability(self, token: str) -> float:
        """P(the next token is `token`); raises InputError when it is not in the vocabulary."""
        id = self.tokenizer.id(token)
        if id is None:
            raise InputError(f"{token!r} is not a token of this model")
        return math.exp(_log_softmax(self._numpy(self.scores))[id])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TextState):
            return NotImplemented
        parts = zip((self.scores, *sum(self.state, ())), (other.scores, *sum(other.state, ())), strict=True)
        return self.model is other.model and all(np.array_equal(ours, theirs) for ours, theirs in parts)

    __hash__ = None  # type: ignore[assignment]

    def __copy__(self) -> TextState:
        return self

    def __deepcopy__(self, memo: Any) -> TextState:
        return self

    def _numpy(self, scores: Any) -> NDArray[Any]:
        row: NDArray[Any] = self.model.embedding.backend.to_numpy(scores)[0]
        return row


def _ids(model: RNNLM, id: int) -> Any:
    return model.embedding.backend.asarray(np.array([id]))


def _log_softmax(scores: NDArray[Any]) -> NDArray[np.float64]:
    shifted = scores.astype(np.float64) - scores.max()
    result: NDArray[np.float64] = shifted - math.log(np.exp(shifted).sum())
    return result

"""The state of a model after a text, as an immutable value: push more text, ask for the next token, keep any state."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.backends import backend_of
from weft.errors import InputError
from weft.inference.saved_state import StoredState, read_state, write_state
from weft.model import ModelState, Steps
from weft.text.rules import normalized
from weft.text.tokenizers.base import Tokenizer


@dataclass(frozen=True, eq=False)
class TextState:
    """A model after some text. Immutable: `push` returns a new state, so that any state can be kept and continued.

    state: the hidden states, (1, H) each; scores: of the next token, (1, V); surprisals: the tokens of the last `push`
    with their surprisal in bits; logprob_nats: ln P, in nats, of all text pushed since the start.
    """

    model: Steps = field(repr=False)
    tokenizer: Tokenizer = field(repr=False)
    state: ModelState = field(repr=False)
    scores: Any = field(repr=False)
    surprisals: tuple[tuple[str, float], ...] = ()
    logprob_nats: float = 0.0
    run: str | None = field(default=None, repr=False)

    @classmethod
    def start(cls, model: Steps, tokenizer: Tokenizer, run: str | None = None) -> TextState:
        """The state after `<eos>`, before the first token. run: the run folder of the model, for `save`."""
        state = model.zero_state(1)
        scores, state = model.step(_ids(state, tokenizer.eos_id), state)
        return cls(model, tokenizer, state, scores, run=run)

    def push(self, text: str) -> TextState:
        """The state after this text and `text`, in which the end of a line is an `<eos>`; the last line stays open."""
        state, scores, total = self.state, self.scores, self.logprob_nats
        surprisals = []
        for id in self.tokenizer.encode(normalized(text)):
            row = self._numpy(scores)
            nats = _log_sum_exp(row) - float(row[id])  # at least 0: the logarithm is at least the largest score
            surprisals.append((self.tokenizer.token(id), nats / math.log(2)))
            total -= nats
            scores, state = self.model.step(_ids(state, id), state)
        return TextState(self.model, self.tokenizer, state, scores, tuple(surprisals), total, self.run)

    def next(self, k: int = 10) -> list[tuple[str, float]]:
        """The k most probable next tokens and their probabilities, in descending order; raises InputError for k < 1."""
        if k < 1:
            raise InputError(f"k must be at least 1, got {k}")
        row = self._numpy(self.scores)
        probabilities = np.exp(row.astype(np.float64) - _log_sum_exp(row))
        likeliest = np.argsort(-probabilities, kind="stable")[:k]
        return [(self.tokenizer.token(int(id)), float(probabilities[id])) for id in likeliest]

    def probability(self, token: str) -> float:
        """P(next token = `token`); raises InputError if the token is not in the vocabulary."""
        id = self.tokenizer.id(token)
        if id is None:
            raise InputError(f"{token!r} is not a token of this model")
        row = self._numpy(self.scores)
        return math.exp(float(row[id]) - _log_sum_exp(row))

    def save(self, path: str | Path) -> None:
        """Write the state to a safetensors file, see `weft.inference.saved_state`; `weft.load_state` reads it."""
        stored = StoredState(self.state, self.scores, self.surprisals, self.logprob_nats, self.run)
        write_state(Path(path), stored, self.model, self.tokenizer)

    @classmethod
    def load(cls, path: str | Path, model: Steps, tokenizer: Tokenizer) -> TextState:
        """The state in a file of `save`, to be continued with the same model. Raises as `read_state` does."""
        return cls(model, tokenizer, **vars(read_state(Path(path), model, tokenizer)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TextState):
            return NotImplemented
        parts = zip((self.scores, *sum(self.state, ())), (other.scores, *sum(other.state, ())), strict=True)
        return self.model is other.model and all(np.array_equal(ours, theirs) for ours, theirs in parts)

    def __repr__(self) -> str:
        last = " ".join(repr(token) for token, _bits in self.surprisals[-3:])
        return f"TextState(ln P = {self.logprob_nats:.4f} nats{', after ' if last else ''}{last})"

    __hash__ = None  # type: ignore[assignment]

    def __copy__(self) -> TextState:
        return self

    def __deepcopy__(self, memo: Any) -> TextState:
        return self

    def _numpy(self, scores: Any) -> NDArray[Any]:
        row: NDArray[Any] = backend_of(scores).to_numpy(scores)[0]
        return row


def _ids(state: ModelState, id: int) -> Any:
    return backend_of(state[0][0]).asarray(np.array([id]))


def _log_sum_exp(scores: NDArray[Any]) -> float:
    largest = scores.max()
    return float(largest) + math.log(np.exp(scores - largest).sum(dtype=np.float64))

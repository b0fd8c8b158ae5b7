"""Reads a text with several models, token by token, in memory that does not grow with the text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from weft.errors import InputError
from weft.evaluation.evaluate import Evaluation, Scored, summed
from weft.mixture.members import Member, check_pieces
from weft.mixture.weights import Floats, Weights, fit_weights, mixed
from weft.text.corpus import OnBytes
from weft.text.split import PieceSource

Marks = NDArray[np.bool_]


@dataclass(frozen=True)
class MixtureEvaluation:
    """The losses of a text.

    members      of each model alone
    mixture      of the mixture; a word counts as unknown if any model lacks it
    disagreeing  number of tokens whose word is known to some models and not to others
    """

    members: tuple[Evaluation, ...]
    mixture: Evaluation
    disagreeing: int

    def plus(self, other: MixtureEvaluation) -> MixtureEvaluation:
        """The losses of both texts together."""
        members = tuple(a.plus(b) for a, b in zip(self.members, other.members, strict=True))
        return MixtureEvaluation(members, self.mixture.plus(other.mixture), self.disagreeing + other.disagreeing)


def fit(members: Sequence[Member], text: PieceSource, on_bytes: OnBytes | None = None) -> Weights:
    """The weights under which a held-out text is likeliest; memory grows by M numbers for each token."""
    parts = [nats for nats, _oov in member_nats(members, text, on_bytes)]
    return fit_weights(np.concatenate([np.zeros((len(members), 0)), *parts], axis=1))


def evaluate_mixture(
    members: Sequence[Member], weights: Floats, text: PieceSource, on_bytes: OnBytes | None = None
) -> MixtureEvaluation:
    """The loss of a text under each model and under the mixture with these weights."""
    nothing = summed([])
    return reduce(
        MixtureEvaluation.plus,
        (_evaluated(nats, oov, weights) for nats, oov in member_nats(members, text, on_bytes)),
        MixtureEvaluation((nothing,) * len(members), nothing, 0),
    )


def member_nats(
    members: Sequence[Member], text: PieceSource, on_bytes: OnBytes | None = None
) -> Iterator[tuple[Floats, Marks]]:
    """ln P of every token under each of M models, (M, T) in nats, and the marks (M, T), a part of the text at a time.

    The text is read once for each model. Raises InputError if the models split it into different tokens.
    """
    readings = [
        member.token_nats(check_pieces(members, text.pieces(on_bytes if number == 0 else None)))
        for number, member in enumerate(members)
    ]
    pending: list[Scored] = [(np.zeros(0), np.zeros(0, dtype=np.bool_)) for _ in members]
    while True:
        for number, reading in enumerate(readings):
            while not len(pending[number][0]) and (part := next(reading, None)) is not None:
                pending[number] = part
        length = min(len(nats) for nats, _oov in pending)
        if not length:
            break
        yield np.stack([nats[:length] for nats, _oov in pending]), np.stack([oov[:length] for _nats, oov in pending])
        pending = [(nats[length:], oov[length:]) for nats, oov in pending]
    longer = [member.name for member, (nats, _oov) in zip(members, pending, strict=True) if len(nats)]
    if longer:
        raise InputError(f"{', '.join(longer)} finds more tokens in the text than the other models do")


def _evaluated(nats: Floats, oov: Marks, weights: Floats) -> MixtureEvaluation:
    unknown: Marks = np.any(oov, axis=0)
    return MixtureEvaluation(
        tuple(summed([(nats[number], oov[number])]) for number in range(len(nats))),
        summed([(mixed(nats, weights), unknown)]),
        int((unknown & ~oov.all(axis=0)).sum()),
    )

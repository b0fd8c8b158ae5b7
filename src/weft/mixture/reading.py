"""Several models over the same text, token by token, in memory that does not grow with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from weft.errors import InputError
from weft.evaluation.evaluate import Evaluation, Scored, summed
from weft.mixture.members import Member, check_case
from weft.mixture.weights import Floats, Weights, fit_weights, mixed
from weft.text.corpus import OnBytes
from weft.text.split import PieceSource

Marks = NDArray[np.bool_]


@dataclass(frozen=True)
class MixtureEvaluation:
    """What a text cost: each model alone, and the mixture, whose unknown words are those that any model lacks.

    disagreeing: tokens that stand for words which some of the models know and others do not.
    """

    members: tuple[Evaluation, ...]
    mixture: Evaluation
    disagreeing: int

    def plus(self, other: MixtureEvaluation) -> MixtureEvaluation:
        """The cost of both texts."""
        members = tuple(a.plus(b) for a, b in zip(self.members, other.members, strict=True))
        return MixtureEvaluation(members, self.mixture.plus(other.mixture), self.disagreeing + other.disagreeing)


def fit(members: Sequence[Member], text: PieceSource, on_bytes: OnBytes | None = None) -> Weights:
    """The weights that suit a held-out text best; holds M numbers a token of it."""
    parts = [nats for nats, _oov in side_by_side(members, text, on_bytes)]
    return fit_weights(np.concatenate([np.zeros((len(members), 0)), *parts], axis=1))


def evaluate_mixture(
    members: Sequence[Member], weights: Floats, text: PieceSource, on_bytes: OnBytes | None = None
) -> MixtureEvaluation:
    """The cost of a text, every token once, under each model and under the mixture with these weights."""
    nothing = summed([])
    return reduce(
        MixtureEvaluation.plus,
        (_evaluated(nats, oov, weights) for nats, oov in side_by_side(members, text, on_bytes)),
        MixtureEvaluation((nothing,) * len(members), nothing, 0),
    )


def side_by_side(
    members: Sequence[Member], text: PieceSource, on_bytes: OnBytes | None = None
) -> Iterator[tuple[Floats, Marks]]:
    """ln P of every token by each of M models, (M, T) in nats, and its marks (M, T), a part of the text at a time.

    The text is read once for each model. Raises InputError where the models do not find the same tokens in it.
    """
    readings = [
        member.token_nats(check_case(members, text.pieces(on_bytes if number == 0 else None)))
        for number, member in enumerate(members)
    ]
    held: list[Scored] = [(np.zeros(0), np.zeros(0, dtype=np.bool_)) for _ in members]
    while True:
        for number, reading in enumerate(readings):
            while not len(held[number][0]) and (part := next(reading, None)) is not None:
                held[number] = part
        length = min(len(nats) for nats, _oov in held)
        if not length:
            break
        yield np.stack([nats[:length] for nats, _oov in held]), np.stack([oov[:length] for _nats, oov in held])
        held = [(nats[length:], oov[length:]) for nats, oov in held]
    longer = [member.name for member, (nats, _oov) in zip(members, held, strict=True) if len(nats)]
    if longer:
        raise InputError(f"{', '.join(longer)} finds more tokens in the text than the other models do")


def _evaluated(nats: Floats, oov: Marks, weights: Floats) -> MixtureEvaluation:
    unknown: Marks = np.any(oov, axis=0)
    return MixtureEvaluation(
        tuple(summed([(nats[number], oov[number])]) for number in range(len(nats))),
        summed([(mixed(nats, weights), unknown)]),
        int((unknown & ~oov.all(axis=0)).sum()),
    )

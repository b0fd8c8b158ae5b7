"""The columns of the schema: names, units and values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from weft.errors import InputError, nearest
from weft.scoring.token_score import TokenScore
from weft.scoring.units import BITS, NATS, Unit


@dataclass(frozen=True)
class Column:
    """A column. name: without the unit. value: computed from a score. default_unit: None for a column without unit."""

    name: str
    value: Callable[[TokenScore], Any]
    default_unit: Unit | None = None


COLUMNS = {
    column.name: column
    for column in (
        Column("sentence", lambda score: score.sentence),
        Column("position", lambda score: score.position),
        Column("token", lambda score: score.token),
        Column("text", lambda score: score.text),
        Column("start", lambda score: score.start),
        Column("end", lambda score: score.end),
        Column("logprob", lambda score: score.logprob_nats, NATS),
        Column("surprisal", lambda score: score.surprisal_nats, BITS),
        Column("entropy", lambda score: score.entropy_nats, BITS),
        Column("entropy_reduction", lambda score: score.entropy_reduction_nats, BITS),
        Column("rank", lambda score: score.rank),
        Column("oov", lambda score: int(score.oov)),
        Column("alternatives", lambda score: score.alternatives, NATS),
    )
}
OF_UNKNOWN = ("logprob", "surprisal", "entropy_reduction", "rank")
"""Columns whose value for a word out of the vocabulary is that of all such words together."""

BY_DEFAULT = ("sentence", "position", "token", "text", "start", "end", "logprob", "surprisal", "oov")


@dataclass(frozen=True)
class UnitColumn:
    """A column in a unit. header: the name with the unit. value: in the unit."""

    name: str
    header: str
    value: Callable[[TokenScore], Any]


def columns_in_units(names: Sequence[str], unit: Unit | None, unknown_as_na: bool = False) -> list[UnitColumn]:
    """The columns of these names, logarithms in `unit`, or in their default units if it is None.

    unknown_as_na: the values of OF_UNKNOWN are None for words out of the vocabulary. Raises InputError for a name that
    is not a column.
    """
    columns = [_in_unit(_column(name), unit) for name in names]
    return [_of_known(column) if unknown_as_na and column.name in OF_UNKNOWN else column for column in columns]


def _of_known(column: UnitColumn) -> UnitColumn:
    value = column.value
    return replace(column, value=lambda score: None if score.oov else value(score))


def _column(name: str) -> Column:
    if name not in COLUMNS:
        raise InputError(f"there is no column {name!r}{nearest(name, COLUMNS)}; there are {', '.join(COLUMNS)}")
    return COLUMNS[name]


def _in_unit(column: Column, unit: Unit | None) -> UnitColumn:
    if column.default_unit is None:
        return UnitColumn(column.name, column.name, column.value)
    unit = unit or column.default_unit
    header = f"{column.name}_{unit.name}"
    if unit.nats == 1.0:
        return UnitColumn(column.name, header, column.value)
    value, nats = column.value, unit.nats
    if column.name == "alternatives":
        return UnitColumn(
            column.name, header, lambda score: tuple((token, logprob / nats) for token, logprob in value(score))
        )

    def converted(score: TokenScore) -> float | None:
        number = value(score)
        return None if number is None else number / nats

    return UnitColumn(column.name, header, converted)

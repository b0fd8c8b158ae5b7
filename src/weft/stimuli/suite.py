"""Test suites of SyntaxGym: items whose sentences differ by condition, cut into regions, and predictions about them.

    {"meta": {"name": …, "metric": "sum"}, "region_meta": {"1": "intro", …},
     "predictions": [{"type": "formula", "formula": "(6;%match%) < (6;%mismatch%)"}],
     "items": [{"item_number": 1, "conditions": [{"condition_name": "match",
       "regions": [{"region_number": 1, "content": "The author"}, …]}, …]}, …]}

Other keys are kept and have no effect. The suites of an early version have predictions of another form, which is read
too: {"relation": "greaterthan", "region_number": 3, "l_operand": "that", "r_operand": "what"}.

The format is that of Gauthier et al. (2020), "SyntaxGym: An Online Platform for Targeted Evaluation of Language
Models".
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec

from weft.errors import InputError, nearest, quoted, quoted_names
from weft.files import opened
from weft.stimuli.formula import Formula, Reference, parse_formula
from weft.stimuli.regions import METRICS, Sentence, joined_regions
from weft.text.rules import check_characters

ALL = "all"
DEEPEST = 100
"""Most levels of arrays and objects in a suite, which is written again with the results."""
RELATIONS = {"greaterthan": ">"}

Kind = TypeVar("Kind")
_Number = Annotated[int, msgspec.Meta(ge=0, le=999_999_999)]


class Region(msgspec.Struct, frozen=True):
    """A stretch of a sentence; the content may be empty."""

    region_number: _Number
    content: str


class Condition(msgspec.Struct, frozen=True):
    """One sentence of an item."""

    condition_name: str
    regions: Annotated[list[Region], msgspec.Meta(min_length=1)]

    @property
    def sentence(self) -> Sentence:
        """The regions with one space between them."""
        return joined_regions([region.content for region in self.regions])


class Item(msgspec.Struct, frozen=True):
    """Sentences that are compared with each other, one for each condition."""

    item_number: int
    conditions: Annotated[list[Condition], msgspec.Meta(min_length=1)]


class _Meta(msgspec.Struct, frozen=True):
    name: str
    metric: str | Annotated[list[str], msgspec.Meta(min_length=1)] = "sum"


class _Document(msgspec.Struct, frozen=True):
    meta: _Meta
    items: Annotated[list[Item], msgspec.Meta(min_length=1)]
    region_meta: dict[str, str] = {}
    predictions: list[dict[str, Any]] = []


class _FormulaPrediction(msgspec.Struct, frozen=True):
    type: str
    formula: str


class _RelationPrediction(msgspec.Struct, frozen=True):
    relation: str
    region_number: _Number
    l_operand: str
    r_operand: str


@dataclass(frozen=True)
class Suite:
    """A suite whose predictions refer to regions that every item has.

    metrics    the metrics that are computed for each region; formulas are about the first
    formulas   the predictions
    document   the JSON object as read
    """

    name: str
    metrics: tuple[str, ...]
    formulas: tuple[Formula, ...]
    items: tuple[Item, ...]
    document: dict[str, Any]

    def sentences(self) -> Iterator[Sentence]:
        """The sentences, by item and then by condition."""
        return (condition.sentence for item in self.items for condition in item.conditions)


def read_suite(path: str | Path) -> Suite:
    """The suite in a JSON file, `.gz` or not; raises MissingFileError, and InputError as `suite_of` does."""
    with opened(Path(path)) as file:
        content = file.read().removeprefix(codecs.BOM_UTF8)
    try:
        document = msgspec.json.decode(content)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a JSON file: {error}") from None
    return suite_of(document, str(path))


def suite_of(document: Any, name: str = "the suite") -> Suite:
    """The suite in a decoded JSON document; `name` begins the messages of errors.

    Raises InputError, with the item and condition, for a value of a wrong type, an unknown metric, a formula that
    cannot be read or refers to what an item lacks, repeated numbers and names, and sentences without words.
    """
    try:
        _check_depth(document)
        parsed = _converted(document, _Document)
        formulas = tuple(map(_formula, parsed.predictions))
        _check_items(parsed)
        _check_references(parsed.items, [reference for formula in formulas for reference in formula.references])
        return Suite(parsed.meta.name, _metrics(parsed.meta.metric), formulas, tuple(parsed.items), document)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


def _converted(value: Any, kind: type[Kind]) -> Kind:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise InputError(str(error)) from None


def _metrics(given: str | list[str]) -> tuple[str, ...]:
    names = [given] if isinstance(given, str) else given
    if names == [ALL]:
        return tuple(METRICS)
    for name in names:
        if name not in METRICS:
            known = ", ".join((*METRICS, ALL))
            raise InputError(f"the metric {quoted(name)} is not known{nearest(name[:80], METRICS)}; known: {known}")
    return tuple(dict.fromkeys(names))


def _formula(prediction: dict[str, Any]) -> Formula:
    if "relation" not in prediction:
        given = _converted(prediction, _FormulaPrediction)
        if given.type != "formula":
            raise InputError(f"a prediction is of the type 'formula', got {quoted(given.type)}")
        return parse_formula(given.formula)
    early = _converted(prediction, _RelationPrediction)
    if early.relation not in RELATIONS:
        raise InputError(f"a relation is one of {', '.join(RELATIONS)}, got {quoted(early.relation)}")
    sides = [str(Reference(name, early.region_number)) for name in (early.l_operand, early.r_operand)]
    return parse_formula(f" {RELATIONS[early.relation]} ".join(sides))


def _check_items(document: _Document) -> None:
    _check_distinct((item.item_number for item in document.items), "the item number")
    names = {condition.condition_name for condition in document.items[0].conditions}
    for item in document.items:
        where = f"item {item.item_number}"
        _check_distinct((condition.condition_name for condition in item.conditions), f"{where}: the condition")
        own = {condition.condition_name for condition in item.conditions}
        if own != names:
            raise InputError(
                f"{where} has other conditions than the first item: {quoted_names(sorted(own ^ names))} in one of the "
                "two alone"
            )
        for condition in item.conditions:
            _check_regions(
                condition, document.region_meta, f"{where}, condition {quoted(condition.condition_name, 40)}"
            )


def _check_regions(condition: Condition, names: dict[str, str], where: str) -> None:
    _check_distinct((region.region_number for region in condition.regions), f"{where}: the region")
    for region in condition.regions:
        if names and str(region.region_number) not in names:
            raise InputError(f"{where}: the region {region.region_number} is not in region_meta")
        if "\n" in region.content:
            raise InputError(f"{where}: the content of region {region.region_number} has a line end")
        try:
            check_characters(region.content)
        except InputError as error:
            raise InputError(f"{where}, region {region.region_number}: {error}") from None
    if not condition.sentence.text:
        raise InputError(f"{where} has no words")


def _check_distinct(values: Iterable[str | int], what: str) -> None:
    seen = set()
    for value in values:
        if value in seen:
            raise InputError(f"{what} {quoted(value, 40)} is there twice")
        seen.add(value)


def _check_references(items: list[Item], references: list[Reference]) -> None:
    for item in items:
        there = {(condition.condition_name, region.region_number) for condition in item.conditions
                 for region in condition.regions}  # fmt: skip
        names = {condition.condition_name for condition in item.conditions}
        for reference in references:
            if reference.condition not in names:
                hint = nearest(reference.condition[:80], names)
                raise InputError(
                    f"a prediction is about the condition {quoted(reference.condition, 40)}, which the items do not "
                    f"have{hint if len(hint) < 80 else ''}"
                )
            if reference.region is not None and (reference.condition, reference.region) not in there:
                raise InputError(
                    f"a prediction is about region {reference.region} of {quoted(reference.condition, 40)}, which item "
                    f"{item.item_number} does not have"
                )


def _check_depth(document: Any) -> None:
    pending = [(document, 0)]
    while pending:
        value, depth = pending.pop()
        if isinstance(value, dict | list):
            if depth == DEEPEST:
                raise InputError(f"its values are nested more than {DEEPEST} deep")
            pending += [(item, depth + 1) for item in (value.values() if isinstance(value, dict) else value)]

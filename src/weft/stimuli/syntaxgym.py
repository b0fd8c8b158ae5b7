"""Evaluation of SyntaxGym's suites: surprisals of tokens -> metrics of regions -> predictions that hold or fail.

The surprisals can come from a language model of weft (`score_suites`) or, as tokens with their places, from any other
program (`evaluate_suite`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from weft.errors import InputError, quoted
from weft.scoring import TokenScore, Wanted
from weft.stimuli.accuracy import Accuracy
from weft.stimuli.equal_prefixes import EqualPrefixes
from weft.stimuli.formula import Reference
from weft.stimuli.regions import ScoredToken, metric_value
from weft.stimuli.suite import Condition, Item, Suite
from weft.text.tokenizers.base import Tokenizer

DIGITS = 6
"""Decimals of the bits in JSON."""


class LineScorer(Protocol):
    """The part of a `LanguageModel` that is needed."""

    @property
    def tokenizer(self) -> Tokenizer: ...

    def score_lines(
        self, lines: Iterable[str | None], batch_size: int | None = None, eos: bool = True, wanted: Wanted = ...
    ) -> Iterator[list[TokenScore]]: ...


@dataclass(frozen=True)
class RegionValues:
    """The metrics of a region in bits, None where undefined, and its words outside the vocabulary."""

    metrics: dict[str, float | None]
    oovs: tuple[str, ...]


@dataclass(frozen=True)
class EvaluatedItem:
    """values: by condition and number of the region. holds: whether each prediction holds."""

    item: Item
    values: dict[tuple[str, int], RegionValues]
    holds: tuple[bool, ...]


@dataclass(frozen=True)
class EvaluatedSuite:
    """A suite with the results of one model."""

    suite: Suite
    model: str
    items: tuple[EvaluatedItem, ...]

    def accuracy(self, prediction: int | None = None) -> Accuracy:
        """The items for which a prediction holds; prediction None: all predictions together."""
        held = [all(item.holds) if prediction is None else item.holds[prediction] for item in self.items]
        return Accuracy(sum(held), len(held))

    @property
    def items_with_unknown(self) -> int:
        """Items with a word outside the vocabulary in a region that a prediction is about."""
        references = {reference for formula in self.suite.formulas for reference in formula.references}
        about = {(reference.condition, reference.region) for reference in references}
        return sum(
            any(values.oovs and ({place, (place[0], None)} & about) for place, values in item.values.items())
            for item in self.items
        )

    def as_json(self) -> dict[str, Any]:
        """The suite as read, with the results.

        meta has the key `model`, each region `metric_value` and `oovs`, each item `results` (one truth value for each
        prediction), and the suite `accuracy`, by prediction and of all predictions together.
        """
        document = self.suite.document
        names = [str(place) for place in range(len(self.suite.formulas))]
        accuracies = {name: self.accuracy(place) for place, name in enumerate(names)} | {"all": self.accuracy()}
        return {
            **document,
            "meta": {**document["meta"], "model": self.model},
            "items": [_item_as_json(*pair) for pair in zip(document["items"], self.items, strict=True)],
            "accuracy": {name: accuracy.share for name, accuracy in accuracies.items()} if names else {},
        }


def _item_as_json(document: dict[str, Any], item: EvaluatedItem) -> dict[str, Any]:
    conditions = []
    for condition in document["conditions"]:
        regions = []
        for region in condition["regions"]:
            values = item.values[condition["condition_name"], region["region_number"]]
            rounded = {name: None if value is None else round(value, DIGITS) for name, value in values.metrics.items()}
            regions.append({**region, "metric_value": rounded, "oovs": list(values.oovs)})
        conditions.append({**condition, "regions": regions})
    return {**document, "conditions": conditions, "results": list(item.holds)}


def score_suites(
    lm: LineScorer,
    suites: Sequence[Suite],
    model: str,
    *,
    words: bool = False,
    eos: bool = False,
    batch_size: int | None = None,
) -> Iterator[EvaluatedSuite]:
    """The results of a language model on each suite; all sentences are scored in one pass, in batches.

    words: take the surprisals of words where tokens are parts of words. eos: the line end belongs to the last region.
    """
    lines = (sentence.text for suite in suites for sentence in suite.sentences())
    scored = _shared(lm.tokenizer, suites, lm.score_lines(lines, batch_size, eos, Wanted(words=words)))
    for suite in suites:
        yield evaluate_suite(suite, scored, model)


def _shared(
    tokenizer: Tokenizer, suites: Sequence[Suite], scored: Iterator[list[TokenScore]]
) -> Iterator[list[TokenScore]]:
    """The same scores; equal beginnings of the sentences of an item have equal ones."""
    for suite in suites:
        for item in suite.items:
            prefixes = EqualPrefixes(tokenizer)
            for condition, scores in zip(item.conditions, scored, strict=False):
                yield prefixes.shared(condition.sentence.text, scores)


def evaluate_suite(suite: Suite, scored: Iterator[Sequence[ScoredToken]], model: str) -> EvaluatedSuite:
    """The results of the surprisals of each sentence of the suite, in the order of `Suite.sentences`.

    As many sentences are taken from `scored` as the suite has. Raises InputError if there are fewer, and for a
    prediction about a metric of a region without tokens, which only the sum has.
    """
    return EvaluatedSuite(suite, model, tuple(_evaluated(suite, item, scored) for item in suite.items))


def _evaluated(suite: Suite, item: Item, scored: Iterator[Sequence[ScoredToken]]) -> EvaluatedItem:
    values: dict[tuple[str, int], RegionValues] = {}
    for condition in item.conditions:
        tokens = next(scored, None)
        if tokens is None:
            raise InputError(
                f"{quoted(suite.name, 40)}: there are no surprisals of item {item.item_number}, condition "
                f"{quoted(condition.condition_name, 40)}, and of the sentences after it"
            )
        values |= _region_values(condition, tokens, suite.metrics)
    metric = suite.metrics[0]

    def value_of(reference: Reference) -> float:
        found = [
            region.metrics[metric]
            for (condition, number), region in values.items()
            if condition == reference.condition and reference.region in (None, number)
        ]
        if reference.region is not None and found == [None]:
            raise InputError(
                f"{quoted(suite.name, 40)}: item {item.item_number}: the {metric} of region {reference.region} of "
                f"{quoted(reference.condition, 40)} is undefined, because the region has no tokens"
            )
        return sum(value for value in found if value is not None)

    return EvaluatedItem(item, values, tuple(formula.holds(value_of) for formula in suite.formulas))


def _region_values(
    condition: Condition, tokens: Sequence[ScoredToken], metrics: Sequence[str]
) -> dict[tuple[str, int], RegionValues]:
    values = {}
    for region, own in zip(condition.regions, condition.sentence.tokens_by_region(tokens), strict=True):
        surprisals = [token.surprisal_bits for token in own]
        found = {metric: metric_value(metric, surprisals) for metric in metrics}
        oovs = tuple(token.text.strip() for token in own if token.oov)
        values[condition.condition_name, region.region_number] = RegionValues(found, oovs)
    return values

"""Suites: the real ones are read, and a mistake in one is refused in one line that says where it is."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers.damage import CHANGES, NOT_NUMBERS, OTHER_FIELDS
from helpers.data import DATA, needs_data
from helpers.stimuli_cases import suite_document, words_of
from weft.errors import InputError, MissingFileError
from weft.presentation.records import json_text
from weft.stimuli import Suite, evaluate_suite, read_suite
from weft.stimuli.suite import suite_of

Change = Callable[[dict[str, Any]], object]


def conditions_of(document: dict[str, Any], item: int = 0) -> list[dict[str, Any]]:
    conditions: list[dict[str, Any]] = document["items"][item]["conditions"]
    return conditions


def regions_of(document: dict[str, Any], item: int = 0, condition: int = 0) -> list[dict[str, Any]]:
    regions: list[dict[str, Any]] = conditions_of(document, item)[condition]["regions"]
    return regions


def evaluated(suite: Suite) -> str:
    return json_text(evaluate_suite(suite, (words_of(s.text) for s in suite.sentences()), "words").as_json())


def test_a_suite_is_read_from_a_file_and_keeps_other_keys(tmp_path: Path) -> None:
    content = json.dumps(suite_document()).encode()
    (tmp_path / "plain.json").write_bytes(b"\xef\xbb\xbf" + content)
    (tmp_path / "packed.json.gz").write_bytes(gzip.compress(content))
    plain, packed = read_suite(tmp_path / "plain.json"), read_suite(str(tmp_path / "packed.json.gz"))
    assert plain == packed
    assert (plain.name, plain.metrics, len(plain.items), len(plain.formulas)) == ("filler", ("sum",), 2, 2)
    assert plain.document["meta"]["tags"] == ["filler-gap"]
    assert [sentence.text for sentence in plain.sentences()][1] == (
        "I know what our aunt grabbed in front of the guests at the holiday party."
    )
    with pytest.raises(MissingFileError, match=r"no file .*other\.json"):
        read_suite(tmp_path / "other.json")


@pytest.mark.parametrize(
    ("metric", "metrics"),
    [
        ("all", ("sum", "mean", "median", "range", "max", "min")),
        (["mean", "sum", "mean"], ("mean", "sum")),
        (["all"], ("sum", "mean", "median", "range", "max", "min")),
        ("range", ("range",)),
    ],
)
def test_the_metrics_of_a_suite(metric: Any, metrics: tuple[str, ...]) -> None:
    assert suite_of(suite_document(metric)).metrics == metrics


def test_predictions_of_the_early_form_are_formulas() -> None:
    document = suite_document()
    relation = {"relation": "greaterthan", "region_number": 3, "l_operand": "that", "r_operand": "what"}
    document["predictions"] = [relation]
    assert [formula.text for formula in suite_of(document).formulas] == ["(3;%that%) > (3;%what%)"]


def remove(key: str) -> Change:
    return lambda document: document.pop(key)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (remove("items"), "Object missing required field `items`"),
        (remove("meta"), "Object missing required field `meta`"),
        (lambda d: d.update(items=[]), "length >= 1 - at `$.items`"),
        (lambda d: d["meta"].update(metric="summ"), "the metric 'summ' is not known (did you mean \"sum\"?)"),
        (lambda d: d["meta"].update(metric=3), "at `$.meta.metric`"),
        (lambda d: d["meta"].update(metric=["sum", "all"]), "the metric 'all' is not known"),
        (lambda d: d["items"][1].update(item_number=1), "the item number 1 is there twice"),
        (lambda d: d["items"][1].update(item_number=True), "Expected `int`, got `bool` - at `$.items[1].item_number`"),
        (lambda d: conditions_of(d).pop(), "item 2 has other conditions than the first item: 'what' in one of the two"),
        (lambda d: conditions_of(d)[1].update(condition_name="that"), "item 1: the condition 'that' is there twice"),
        (lambda d: regions_of(d)[2].pop("content"), "missing required field `content` - at `$.items[0].conditions[0]."),
        (lambda d: regions_of(d)[2].update(content=7), "Expected `str`, got `int`"),
        (lambda d: regions_of(d)[2].update(content="a\nb"), "condition 'that': the content of region 3 has a line end"),
        (lambda d: regions_of(d, 1)[2].update(region_number=2), "item 2, condition 'that': the region 2 is there"),
        (lambda d: regions_of(d, 1)[2].update(region_number=9), "the region 9 is not in region_meta"),
        (lambda d: regions_of(d)[0].update(region_number=-1), "Expected `int` >= 0"),
        (lambda d: [r.update(content=" ") for r in regions_of(d)], "item 1, condition 'that' has no words"),
        (lambda d: regions_of(d, 1).pop(2), "about region 3 of 'that', which item 2 does not have"),
        (lambda d: d["predictions"][0].update(formula="(3;%thai%) < 2"), "the condition 'thai', which the items do"),
        (lambda d: d["predictions"][0].update(formula="(3;%that%) <"), "character 13: expected a number"),
        (lambda d: d["predictions"][0].update(type="text"), "a prediction is of the type 'formula', got 'text'"),
        (lambda d: d.update(predictions=[{"type": "formula"}]), "missing required field `formula`"),
        (lambda d: d.update(predictions=[{"relation": "equals", "region_number": 3, "l_operand": "that",
                                          "r_operand": "what"}]), "a relation is one of greaterthan, got 'equals'"),
        (lambda d: d.update(more=[[[]]] * 3), None),
        (lambda d: d.update(more=json.loads("[" * 200 + "]" * 200)), "its values are nested more than 100 deep"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_suite_is_refused_with_its_place(change: Change, message: str | None) -> None:
    document = suite_document()
    change(document)
    if message is None:
        assert evaluated(suite_of(document))
        return
    with pytest.raises(InputError) as refused:
        suite_of(document, "my.json")
    assert str(refused.value).startswith("my.json: ")
    assert message in str(refused.value)


@pytest.mark.parametrize("content", ["", "[]", "3", '{"meta": NaN}', "{} {}", '"\\ud800"', "[" * 100_000, "{" * 5000])
def test_what_is_no_suite_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "my.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"my\.json( is not a JSON file)?: "):
        read_suite(path)


def mutated(content: bytes, draw: random.Random) -> bytes:
    """Bytes of the file damaged, or one value of the object replaced, lost or doubled."""
    if draw.random() < 0.4:
        for _ in range(draw.randint(1, 3)):
            content = draw.choice(CHANGES)(content, draw, draw.choice([*NOT_NUMBERS, *OTHER_FIELDS]))
        return content
    document = json.loads(content)
    for _ in range(draw.randint(1, 3)):
        places = list(containers(document))
        if not places:
            break
        inside = draw.choice(places)
        key = draw.choice(list(inside) if isinstance(inside, dict) else range(len(inside)))
        match draw.randrange(4):
            case 0:
                del inside[key]
            case 1 if isinstance(inside, list):
                inside.insert(draw.randrange(len(inside) + 1), inside[key])
            case 1:
                inside["x" * draw.choice([1, 1000])] = inside[key]
            case _:
                inside[key] = draw.choice(VALUES)
    return json.dumps(document).encode()


def containers(value: Any) -> Any:
    """All objects and arrays that are not empty."""
    if isinstance(value, dict | list) and value:
        yield value
        for item in value.values() if isinstance(value, dict) else value:
            yield from containers(item)


VALUES: list[Any] = [
    None, True, 0, -1, 3, 2**70, 1.5, 1e300, "", " ", "a", "3", "sum", "median", "all", "that", "what", [], {}, [[]],
    "\x1b[31m", "a\u2028b", "a\nb", "x" * 5000, "(3;%that%) > 1", "(9;%that%) > 1", "(*;%what%) = (*;%that%)", "1 <",
]  # fmt: skip


def test_any_of_2000_damaged_suites_is_refused_in_one_line_or_evaluated(tmp_path: Path) -> None:
    draw, path, refused = random.Random(20), tmp_path / "suite.json", 0
    for _ in range(2000):
        path.write_bytes(mutated(json.dumps(suite_document(draw.choice(["sum", "all", "mean"]))).encode(), draw))
        try:
            written = evaluated(read_suite(path))
        except InputError as error:
            refused += 1
            message = str(error)
            assert message.isprintable(), message
            assert len(message.replace(str(path), "")) < 300, message
        else:
            assert "\n" not in written
            json.loads(written)
    assert 500 < refused < 1900


@needs_data("syntaxgym")
def test_the_real_suites_are_read() -> None:
    sizes = {"center_embed": (28, 2), "mvrr": (28, 4), "npz_ambig": (24, 4), "number_prep": (19, 4)}
    for name, (items, conditions) in sizes.items():
        suite = read_suite(DATA / "syntaxgym" / f"{name}.json")
        assert (suite.name, len(suite.items), len(suite.formulas)) == (name, items, 1)
        assert {len(item.conditions) for item in suite.items} == {conditions}
        assert all("  " not in sentence.text for sentence in suite.sentences())

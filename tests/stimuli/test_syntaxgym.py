"""Evaluation of suites: the numbers of SyntaxGym's own files, regions by their characters, and models of weft."""

from __future__ import annotations

import json
import math
import statistics
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.data import DATA, needs_data
from helpers.stimuli_cases import REGIONS, GivenToken, suite_document, words_of
from helpers.untrained import untrained
from weft.errors import InputError
from weft.presentation.records import json_text
from weft.scoring import Wanted
from weft.stimuli import evaluate_suite, read_suite, score_suites
from weft.stimuli.alignment import placed_sentences, read_surprisals
from weft.stimuli.regions import METRICS, joined_regions, metric_value
from weft.stimuli.suite import suite_of

CONTENTS = st.lists(st.text("ab ,", max_size=6), min_size=1, max_size=5).filter(lambda texts: "".join(texts).strip())


@needs_data("syntaxgym")
def test_the_surprisals_of_another_model_give_the_evaluated_suite_of_syntaxgym() -> None:
    folder = DATA / "syntaxgym"
    suite = read_suite(folder / "oracle_test_in.json")
    rows = read_surprisals(str(folder / "oracle_test_surp_grnn.txt"))
    assert [sentence.text for sentence in suite.sentences()] == (
        (folder / "oracle_test_sentences.txt").read_text("utf-8").splitlines()
    )
    found = evaluate_suite(suite, placed_sentences(suite.sentences(), rows), "grnn").as_json()
    expected = json.loads((folder / "oracle_test_out_grnn.json").read_text("utf-8"))
    assert found["meta"]["model"] == expected["meta"]["model"]
    assert found["region_meta"] == expected["region_meta"]
    for item, other_item in zip(found["items"], expected["items"], strict=True):
        for condition, other in zip(item["conditions"], other_item["conditions"], strict=True):
            assert condition["condition_name"] == other["condition_name"]
            for region, other_region in zip(condition["regions"], other["regions"], strict=True):
                assert region["metric_value"] == pytest.approx(other_region["metric_value"], abs=1e-6)
                assert region["content"] == other_region["content"]
    # "grabbed" and "caught" are more surprising after "what", against the prediction of the file.
    assert [item["results"] for item in found["items"]] == [[False], [False]]
    assert found["accuracy"] == {"0": 0.0, "all": 0.0}


def test_regions_predictions_and_accuracy_of_given_surprisals() -> None:
    suite = suite_of(suite_document())
    evaluated = evaluate_suite(suite, (words_of(sentence.text) for sentence in suite.sentences()), "letters")
    for item in evaluated.items:
        for name, contents in REGIONS[item.item.item_number].items():
            for number, content in enumerate(contents, start=1):
                values = item.values[name, number]
                assert values.metrics == {"sum": len(content.replace(" ", ""))}
                assert values.oovs == (("aunt",) if "aunt" in content else ())
    # (3): equal in both conditions. (*) - (3): 53 and 58 letters. (5) + (6): 9 + 18 and 12 + 10.
    assert [item.holds for item in evaluated.items] == [(False, False), (False, False)]
    cheaper = suite_document(formulas=["(3;%that%) = (3;%what%)", "(5;%what%) + (6;%what%) > 25"])
    suite = suite_of(cheaper)
    evaluated = evaluate_suite(suite, (words_of(sentence.text) for sentence in suite.sentences()), "letters")
    assert [item.holds for item in evaluated.items] == [(True, True), (True, False)]
    counts = [evaluated.accuracy(prediction) for prediction in (0, 1, None)]
    assert [(each.correct, each.total) for each in counts] == [(2, 2), (1, 2), (1, 2)]
    assert evaluated.as_json()["accuracy"] == {"0": 1.0, "1": 0.5, "all": 0.5}
    assert evaluated.items_with_unknown == 0


@pytest.mark.parametrize(("formula", "items"), [("(2;%that%) > 1", 1), ("(*;%what%) > 1", 1), ("(3;%that%) > 1", 0)])
def test_items_with_unknown_words_in_regions_of_predictions_are_counted(formula: str, items: int) -> None:
    suite = suite_of(suite_document(formulas=[formula]))
    evaluated = evaluate_suite(suite, (words_of(sentence.text) for sentence in suite.sentences()), "letters")
    assert evaluated.items_with_unknown == items


def test_empty_regions_have_the_sum_zero_and_no_other_metric() -> None:
    document = suite_document("all", ["(3;%that%) = 0 & (*;%that%) > 1"])
    for item in document["items"]:
        item["conditions"][0]["regions"][2]["content"] = " "
    suite = suite_of(document)
    evaluated = evaluate_suite(suite, (words_of(sentence.text) for sentence in suite.sentences()), "letters")
    assert evaluated.accuracy().share == 1
    region = evaluated.as_json()["items"][0]["conditions"][0]["regions"][2]
    assert region["metric_value"] == {name: 0.0 if name == "sum" else None for name in METRICS}
    assert '"mean": null' in json_text(region)
    document["meta"]["metric"] = "mean"
    suite = suite_of(document)
    scored = (words_of(sentence.text) for sentence in suite.sentences())
    with pytest.raises(InputError, match=r"'filler': item 1: the mean of region 3 of 'that' is undefined"):
        evaluate_suite(suite, scored, "letters")


def test_too_few_sentences_are_an_error() -> None:
    suite = suite_of(suite_document())
    given = [words_of(sentence.text) for sentence in suite.sentences()][:3]
    with pytest.raises(InputError, match="no surprisals of item 2, condition 'what'"):
        evaluate_suite(suite, iter(given), "letters")


@given(st.lists(st.floats(0, 100), min_size=1, max_size=8))
def test_the_metrics_are_those_of_their_names(values: list[float]) -> None:
    found = {name: metric_value(name, values) for name in METRICS}
    ordered = sorted(values)
    expected = {"sum": sum(values), "mean": statistics.fmean(values), "max": ordered[-1], "min": ordered[0]}
    expected |= {"median": (ordered[(len(values) - 1) // 2] + ordered[len(values) // 2]) / 2}
    assert found == pytest.approx({**expected, "range": ordered[-1] - ordered[0]}, abs=1e-9)


@given(CONTENTS, st.data())
def test_each_token_is_in_the_region_of_its_characters(contents: list[str], data: st.DataObject) -> None:
    sentence = joined_regions(contents)
    assert sentence.text == " ".join(content.strip() for content in contents if content.strip())
    # The region of every character, by another way: the regions are written one after another.
    places = [place for place, character in enumerate(sentence.text) if character != " "]
    letters = [number for number, content in enumerate(contents) for c in content.strip() if c != " "]
    owner = dict(zip(places, letters, strict=True))
    sizes = data.draw(st.lists(st.integers(1, 4), min_size=len(sentence.text)))
    cuts = [0, *(cut for cut in accumulate(sizes) if cut < len(sentence.text)), len(sentence.text)]
    tokens = [GivenToken(start, end, sentence.text[start:end], 1.0) for start, end in pairwise(cuts)]
    regions = sentence.tokens_by_region([*tokens, GivenToken(cuts[-1], cuts[-1], "", 1.0)])
    assert sum(map(len, regions)) == len(tokens) + 1
    for number, region in enumerate(regions):
        for token in region:
            here = [place for place in range(token.start, token.end) if place in owner]
            following = [place for place in places if place >= token.start]
            expected = owner[(here or following)[0]] if here or following else max(letters)
            assert number == expected


@pytest.mark.parametrize("kind", ["word", "text", "char", "bpe"])
@pytest.mark.parametrize("words", [False, True])
@pytest.mark.parametrize("eos", [False, True])
def test_the_regions_of_a_sentence_add_up_to_its_surprisal(kind: str, words: bool, eos: bool) -> None:
    lm = untrained(kind)
    suites = [suite_of(suite_document()), suite_of(suite_document(["sum", "max"]))]
    results = list(score_suites(lm, suites, kind, words=words, eos=eos, batch_size=3))
    assert [result.suite for result in results] == suites
    for result in results:
        for item in result.items:
            for condition in item.item.conditions:
                scores = lm.scores(condition.sentence.text, eos, Wanted(words=words))
                sums = [
                    item.values[condition.condition_name, region.region_number].metrics["sum"]
                    for region in condition.regions
                ]
                total = math.fsum(score.surprisal_bits for score in scores)
                assert sum(value or 0.0 for value in sums) == pytest.approx(total, rel=1e-5)
    # A region is what its words are in the sentence, whatever the tokens are.
    sentence = "I know that our aunt grabbed in front of the guests at the holiday party."
    scores = lm.scores(sentence, eos, Wanted(words=words))
    start, end = sentence.index("grabbed"), sentence.index("grabbed") + len("grabbed")
    own = [score for score in scores if start <= score.start + (score.text[:1] == " ") < end and score.text.strip()]
    blank = [score for score in scores if score.text == " " and score.end == start]
    expected = math.fsum(score.surprisal_bits for score in own + blank)
    assert results[0].items[0].values["that", 3].metrics["sum"] == pytest.approx(expected, rel=1e-5)


@needs_data("syntaxgym")
def test_the_real_suites_are_evaluated_with_a_model_of_weft() -> None:
    names = ("center_embed", "mvrr", "npz_ambig", "number_prep")
    suites = [read_suite(DATA / "syntaxgym" / f"{name}.json") for name in names]
    results = list(
        score_suites(untrained("char", ["abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPRSTUWY ,.'-"]), suites, "m")
    )
    for result in results:
        again = suite_of(json.loads(json_text(result.as_json())))
        assert again.formulas == result.suite.formulas
        held = [item["results"] for item in again.document["items"]]
        assert result.accuracy().share == statistics.fmean(all(each) for each in held)

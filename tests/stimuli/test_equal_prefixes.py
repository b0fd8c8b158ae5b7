"""Equal beginnings have equal surprisals: what a model cannot tell apart is a tie, whatever the batches are."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.stimuli_cases import suite_document
from helpers.untrained import untrained
from weft.language_model import LanguageModel
from weft.scoring import Wanted
from weft.stimuli import Pair, compare_pairs, score_suites
from weft.stimuli.equal_prefixes import EqualPrefixes
from weft.stimuli.pairs import COMPARISONS, Comparison
from weft.stimuli.suite import suite_of

MODELS = {kind: untrained(kind) for kind in ("word", "text", "char", "bpe")}
WORDS = ["you", "say", "hello", "gnu", "né", "我喜欢你", ".", "(", "😀"]


def sentences(count: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=draw.randint(1, 40))) for _ in range(count)]


@pytest.mark.parametrize("comparison", COMPARISONS)
@pytest.mark.parametrize("batch_size", [None, 7])
@pytest.mark.parametrize("kind", ["word", "text"])
def test_two_unknown_words_in_the_same_place_are_a_tie(
    comparison: Comparison, batch_size: int | None, kind: str
) -> None:
    pairs = [Pair(f"{text} gnu say", f"{text} emu say") for text in sentences(60, 1)]
    found = list(compare_pairs(MODELS[kind], pairs, comparison, batch_size=batch_size))
    assert [each.difference_bits for each in found] == [0] * len(pairs)


def test_regions_that_a_model_cannot_tell_apart_are_neither_above_nor_below() -> None:
    document = suite_document("sum", ["(3;%that%) < (3;%what%) | (3;%that%) > (3;%what%)"])
    for number, item in enumerate(document["items"]):
        for condition in item["conditions"]:
            condition["regions"][0]["content"] = sentences(1, number)[0] + " " + condition["condition_name"]
    results = score_suites(MODELS["word"], [suite_of(document)] * 30, "m", batch_size=5)
    assert [result.accuracy().correct for result in results] == [0] * 30


@given(st.sampled_from(sorted(MODELS)), st.booleans(), st.booleans(), st.integers(0, 5), st.data())
def test_only_equal_beginnings_share_their_numbers(
    kind: str, words: bool, eos: bool, seed: int, data: st.DataObject
) -> None:
    lm: LanguageModel = MODELS[kind]
    parts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4)
    lines = data.draw(
        st.lists(
            st.builds(lambda a, b, gap: gap.join([*a, *b]), parts, parts, st.sampled_from([" ", ""])),
            min_size=2,
            max_size=4,
        )
    )
    lines += [lines[0] + " say", lines[0]]
    exact = [lm.scores(line, eos, Wanted(words=words)) for line in lines]
    # Scores with noise, as of batches of other shapes.
    draw = random.Random(seed)
    noisy = [[replace(s, logprob_nats=s.logprob_nats + draw.uniform(-1e-6, 1e-6)) for s in line] for line in exact]
    prefixes = EqualPrefixes(lm.tokenizer)
    shared = [prefixes.shared(line, scores) for line, scores in zip(lines, noisy, strict=True)]
    for line, found, expected in zip(lines, shared, exact, strict=True):
        nats = [score.logprob_nats for score in found]
        assert nats == pytest.approx([score.logprob_nats for score in expected], abs=1e-5), line
    assert [score.logprob_nats for score in shared[-1]] == [score.logprob_nats for score in shared[0]]

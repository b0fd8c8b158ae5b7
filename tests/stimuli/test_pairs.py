"""Minimal pairs: sums of surprisals by another way, targets, layouts of files, and damage to them."""

from __future__ import annotations

import csv
import io
import json
import math
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.damage import CHANGES, NOT_NUMBERS, OTHER_FIELDS
from helpers.data import DATA, needs_data
from helpers.untrained import untrained
from weft.errors import InputError
from weft.language_model import LanguageModel
from weft.scoring import Wanted
from weft.stimuli import ComparedPair, Pair, Tallies, compare_pairs
from weft.stimuli.pair_layouts import LAYOUTS, layout_of

WORDS = st.lists(st.sampled_from("abc"), max_size=6)
PAIRS = [
    Pair("you say goodbye and i say hello .", "you say hello and i say hello ."),
    Pair("say say hello", "say hello hello"),
    Pair("you say nothing .", "you say anything ."),
    Pair("you say", "you say hello"),
    Pair("hello", "hello"),
]  # fmt: skip
GOLD = "L!N\t3\t7\t2\tVERB\tNumber=Sing\tsay\tsays\tsay\t2\tNOUN\tyou two\n"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(layout: str, *files: str) -> list[Pair]:
    return list(LAYOUTS[layout].read(*files))


@given(WORDS, WORDS)
def test_targets_are_what_is_left_without_common_words_at_both_ends(good: list[str], bad: list[str]) -> None:
    pair = Pair("  ".join(good), " ".join(bad))
    found = [text[slice(*span)].split() for text, span in zip((pair.good, pair.bad), pair.targets, strict=True)]
    # The longest common beginning, and the longest common end of the rest, by trying all lengths.
    begin = max(n for n in range(len(good) + 1) if good[:n] == bad[:n] and n <= len(bad))
    rest = good[begin:], bad[begin:]
    end = max(n for n in range(min(map(len, rest)) + 1) if rest[0][len(rest[0]) - n :] == rest[1][len(rest[1]) - n :])
    assert found == [words[: len(words) - end] for words in rest]


@pytest.mark.parametrize("kind", ["word", "text", "char", "bpe"])
@pytest.mark.parametrize("eos", [False, True])
def test_whole_sentences_differ_by_their_log_probabilities(kind: str, eos: bool) -> None:
    lm = untrained(kind)
    for compared in compare_pairs(lm, PAIRS, eos=eos, batch_size=2):
        nats = lm.logprob(compared.pair.good, eos) - lm.logprob(compared.pair.bad, eos)
        assert compared.difference_bits == pytest.approx(nats / math.log(2), abs=1e-4)
        assert compared.correct is (nats > 1e-9)


@pytest.mark.parametrize("kind", ["word", "text", "char", "bpe"])
def test_targets_are_predicted_from_the_words_before_them(kind: str) -> None:
    lm = untrained(kind)
    first, second, third, longer, same = compare_pairs(lm, PAIRS, "target", batch_size=3)
    for compared, before, good, bad in (
        (first, "you say", "goodbye", "hello"),
        (second, "say", "say", "hello"),
        (third, "you say", "nothing", "anything"),
    ):
        for word, bits in ((good, compared.good_bits), (bad, compared.bad_bits)):
            scores = lm.scores(f"{before} {word}", eos=False, wanted=Wanted(words=True))
            assert bits == pytest.approx(scores[-1].surprisal_bits, rel=1e-5)
    for compared in (longer, same):
        assert (compared.difference_bits, compared.correct) == (None, None)
    if kind == "word":  # both are <unk>
        assert third.difference_bits == 0
        assert third.correct is False
        assert (third.good_oov, third.bad_oov) == (("nothing",), ("anything",))


def test_words_after_the_targets_have_no_effect() -> None:
    lm = untrained()
    pairs = [Pair(f"you say hello {more}", f"you say goodbye {more}") for more in ("", "and i", ". say you")]
    assert len({compared.difference_bits for compared in compare_pairs(lm, pairs, "target")}) == 1
    assert len({compared.difference_bits for compared in compare_pairs(lm, pairs)}) == 3


@pytest.mark.parametrize("kind", ["word", "text", "char", "bpe"])
def test_a_script_without_spaces_has_targets_of_characters(kind: str) -> None:
    pair = Pair("我喜欢你们", "我喜你欢们")
    assert pair.targets == ((2, 4), (2, 4))
    lm = untrained(kind, ["我喜欢你们\n我喜你欢们\n"])
    (compared,) = compare_pairs(lm, [pair], "target")
    if kind == "char":
        scores = [lm.scores(text[:4], eos=False)[2:] for text in (pair.good, pair.bad)]
        good, bad = (math.fsum(score.surprisal_bits for score in line) for line in scores)
        assert compared.difference_bits == pytest.approx(bad - good, abs=1e-4)
    assert compared.good_bits
    assert compared.bad_bits


def test_pairs_are_compared_as_they_come_and_before_an_error() -> None:
    def pairs() -> Iterator[Pair]:
        yield from PAIRS[:3]
        raise InputError("line 4")

    compared = compare_pairs(untrained(), pairs())
    assert [next(compared).pair for _ in range(3)] == PAIRS[:3]
    with pytest.raises(InputError, match="line 4"):
        next(compared)

    def endless() -> Iterator[Pair]:
        while True:
            yield PAIRS[0]

    assert next(compare_pairs(untrained(), endless(), batch_size=2)).pair == PAIRS[0]


def test_tallies_count_correct_pairs_ties_and_unknown_words_by_condition() -> None:
    def compared(good: float | None, bad: float, value: str | None, *oov: str) -> ComparedPair:
        pair = Pair("a", "b", {} if value is None else {"kind": value})
        return ComparedPair(pair, good, None if good is None else bad, oov)

    given_pairs = [
        compared(1, 3, "x"), compared(3, 1, "x"), compared(2, 2, "y", "gnu"), compared(None, 0, "y"),
        compared(1, 2, "y", "gnu"), compared(1, 5, None), compared(math.inf, math.inf, "x"),
    ]  # fmt: skip
    tallies = Tallies(["kind", "none"])
    assert list(tallies.counting(given_pairs)) == given_pairs
    total = tallies.all
    assert (total.accuracy.correct, total.accuracy.total, total.ties, total.undefined) == (3, 5, 1, 2)
    assert (total.accuracy_known.correct, total.accuracy_known.total) == (2, 3)
    assert total.mean_difference_bits == pytest.approx((2 - 2 + 0 + 1 + 4) / 5)
    found = {value: (tally.correct, tally.accuracy.total) for value, tally in tallies.by["kind"].items()}
    assert found == {"x": (1, 2), "y": (1, 2), "": (1, 1)}
    assert tallies.by["none"][""].correct == 3
    low, high = total.difference_interval() or (0.0, 0.0)
    assert low < 1 < high


def test_blimp_is_read_with_its_conditions() -> None:
    row = {"sentence_good": "A b.", "sentence_bad": "A c.", "field": "syntax", "UID": "u", "simple_LM_method": True}
    Path("blimp.jsonl").write_text(json.dumps({**row, "pairID": 0, "other": {}}) + "\n", "utf-8")
    assert read(layout_of(["blimp.jsonl"]), "blimp.jsonl") == [
        Pair("A b.", "A c.", {"field": "syntax", "UID": "u", "simple_LM_method": "true", "pairID": "0"})
    ]


def test_tables_are_read_with_and_without_a_header() -> None:
    rows = [["a b", 'a "c" '], ['" x', "y"]]
    plain = io.StringIO()
    csv.writer(plain, delimiter="\t", lineterminator="\n").writerows(rows)
    Path("plain.tsv").write_text(plain.getvalue(), "utf-8")
    assert read(layout_of(["plain.tsv"]), "plain.tsv") == [Pair(good, bad) for good, bad in rows]
    header = "kind\tsentence_bad\tsentence_good\n"
    Path("named.tsv").write_text(
        header + "".join(f"k{n}\t{bad}\t{good}\n" for n, (good, bad) in enumerate(rows)), "utf-8"
    )
    assert read("tsv", "named.tsv") == [Pair(good, bad, {"kind": f"k{n}"}) for n, (good, bad) in enumerate(rows)]


def test_two_files_are_read_side_by_side() -> None:
    Path("good").write_text("a b\nc\n")
    Path("bad").write_text("a c\nd\n")
    assert read(layout_of(["good", "bad"]), "good", "bad") == [Pair("a b", "a c"), Pair("c", "d")]


@pytest.mark.parametrize("name", ["n.text", "n.gold"])
def test_number_agreement_is_read_with_both_forms_of_its_target(name: str) -> None:
    Path("n.text").write_text("you two laugh now . <eos>\n")
    Path("n.gold").write_text(GOLD)
    (pair,) = read(layout_of([name]), name)
    assert (pair.good, pair.bad) == ("you two say now .", "you two says now .")
    assert (pair.conditions["attractors"], pair.conditions["construction"]) == ("2", "3")
    assert pair.targets == ((8, 11), (8, 12))


@pytest.mark.parametrize(
    ("layout", "contents", "message"),
    [
        ("jsonl", ["x"], "f0, line 1: not a JSON object: "),
        ("jsonl", ["[1]"], "f0, line 1: expected a JSON object"),
        ("jsonl", ['{"sentence_good": "a"}'], "line 1: there is no key 'sentence_bad'; it has 'sentence_good'"),
        ("jsonl", ['{"sentence_good": "a", "sentence_bad": 3}'], "'sentence_bad' must be a string, got 3"),
        ("jsonl", ['{"sentence_good": "a\\nb", "sentence_bad": "c"}'], "sentence_good has a line end in it"),
        ("jsonl", ['{"sentence_good": "a", "sentence_bad": " "}'], "sentence_bad has no words"),
        ("jsonl", ["[" * 100_000], "line 1: not a JSON object"),
        ("tsv", ["a\tb\nc"], "f0, line 2: expected 2 fields separated by tabs, got 1"),
        ("tsv", ["sentence_good\tx\na\tb"], "line 1: a header has one column 'sentence_bad'"),
        ("tsv", ["sentence_good\tsentence_bad\tsentence_bad\na\tb\tc"], "a header has one column 'sentence_bad'"),
        ("tsv", ["a\t"], "sentence_bad has no words"),
        ("lines", ["a\nb\n", "a\n"], "f0, line 2: f1 ends before this line"),
        ("lines", ["a\n", "a\nb\n"], "f1, line 2: f0 ends before this line"),
        ("lines", ["a\n\n", "a\nb\n"], "f0, line 2: the sentence has no words"),
        ("agreement", ["x"], "the layout agreement is of files NAME.text and NAME.gold, got f0"),
    ],
)
def test_a_mistake_in_a_file_is_refused_with_its_line(layout: str, contents: list[str], message: str) -> None:
    names = [f"f{number}" for number in range(len(contents))]
    for name, content in zip(names, contents, strict=True):
        Path(name).write_text(content)
    with pytest.raises(InputError) as refused:
        read(layout, *names)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("text", "gold", "message"),
    [
        (
            "a b c\n",
            GOLD.replace("\t2\tVERB", "\t3\tVERB"),
            "n.gold, line 1: column 4 must be the index of one of the 3 ",
        ),
        ("a b c\n", GOLD.replace("\t2\tVERB", "\t-1\tVERB"), "got '-1'"),
        ("a b c\n", GOLD.replace("says", "s s"), "column 8 must be one word, got 's s'"),
        ("a b c\n", GOLD.replace("\tsay\tsays", "\t\tsays"), "column 7 must be one word, got ''"),
        ("a b c\n", "a\tb\n", "expected at least 10 fields separated by tabs, got 2"),
        ("a b c\n", "", "n.text, line 1: the other file ends before this line"),
    ],
)
def test_a_mistake_in_number_agreement_is_refused_with_its_line(text: str, gold: str, message: str) -> None:
    Path("n.text").write_text(text)
    Path("n.gold").write_text(gold)
    with pytest.raises(InputError) as refused:
        read("agreement", "n.gold")
    assert message in str(refused.value)


def test_any_damaged_file_is_refused_in_one_line_or_compared() -> None:
    lm, draw = untrained(), random.Random(5)
    json_rows = [{"sentence_good": pair.good, "sentence_bad": pair.bad, "UID": "u"} for pair in PAIRS]
    contents = {
        "f.jsonl": "".join(json.dumps(row) + "\n" for row in json_rows),
        "f.tsv": "".join(f"{pair.good}\t{pair.bad}\n" for pair in PAIRS),
        "f.text": "you two laugh now . <eos>\n" * 3,
        "f.gold": GOLD * 3,
    }
    for _ in range(300):
        for name, content in contents.items():
            Path(name).write_text(content)
        name = draw.choice(list(contents))
        changed = draw.choice(CHANGES)(contents[name].encode(), draw, draw.choice([*NOT_NUMBERS, *OTHER_FIELDS]))
        Path(name).write_bytes(changed)
        message = ""
        try:
            tallies = Tallies(["UID", "attractors"])
            for _compared in tallies.counting(compare_pairs(lm, LAYOUTS[layout_of([name])].read(name), "target")):
                pass
        except InputError as error:
            message = str(error)
        assert message == "" or message.isprintable()
        assert len(message) < 300


def stepwise_probability(lm: LanguageModel, before: list[str], word: str) -> float:
    """P(word | before), token by token instead of line by line."""
    return lm.start().push(" ".join(before)).probability(word if lm.tokenizer.id(word) else "<unk>")


@needs_data("agreement")
def test_the_accuracy_on_the_410_sentences_is_that_of_an_independent_computation() -> None:
    folder = DATA / "agreement"
    rows = [line.split("\t") for line in (folder / "generated.gold").read_text("utf-8").splitlines()]
    texts = [line.split() for line in (folder / "generated.text").read_text("utf-8").splitlines()]
    targets = [int(line) for line in (folder / "generated.eval").read_text("utf-8").split()]
    vocabulary = [" ".join([*(row[6] for row in rows[::2]), *(row[7] for row in rows[::3])]) + "\n"]
    lm = untrained("word", vocabulary + [" ".join(text[:5]) + "\n" for text in texts], scale=2.0)
    right = []
    for row, text, target in zip(rows, texts, targets, strict=True):
        good, bad = (stepwise_probability(lm, text[:target], form) for form in row[6:8])
        right.append(good > bad)
    tallies = Tallies(["attractors"])
    compared = list(tallies.counting(compare_pairs(lm, read("agreement", str(folder / "generated.gold")), "target")))
    assert [each.correct for each in compared] == right
    assert (tallies.all.accuracy.correct, tallies.all.accuracy.total) == (sum(right), 410)
    assert 0.2 < sum(right) / 410 < 0.8
    by_hand: dict[str, list[bool]] = {}
    for row, correct in zip(rows, right, strict=True):
        by_hand.setdefault(row[9], []).append(correct)
    found = {value: (tally.correct, tally.accuracy.total) for value, tally in tallies.by["attractors"].items()}
    assert found == {value: (sum(each), len(each)) for value, each in by_hand.items()}

"""Regions: marks in a text, word numbers and word names, escapes, and refusals."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.errors import InputError
from weft.tables.regions import RegionMarks, Sentence, barred, bracketed, of_word_names, of_word_numbers

TEXTS = st.text(st.sampled_from("ab [](){}|\\好😀é\n\"',"), max_size=12)


def parts(sentence: Sentence) -> list[tuple[str, str]]:
    return [(region.label, sentence.text[region.start : region.end]) for region in sentence.regions]


def escaped(text: str) -> str:
    return re.sub(r"([\[\]{}|\\])", r"\\\1", text)


def test_brackets_mark_regions_and_braces_name_them() -> None:
    sentence = bracketed("The horse [raced]{verb} past [the barn] [fell].")
    assert sentence.text == "The horse raced past the barn fell."
    assert parts(sentence) == [("verb", "raced"), ("2", "the barn"), ("3", "fell")]


def test_bars_separate_regions_and_one_space_joins_them() -> None:
    for text in (
        "The horse{subject}|raced | past the barn|  |fell .",
        "The horse {subject} |raced| past the barn || fell .",
    ):
        sentence = barred(text)
        assert sentence.text == "The horse raced past the barn fell ."
        assert parts(sentence) == [
            ("subject", "The horse"), ("2", "raced"), ("3", "past the barn"), ("4", ""), ("5", "fell ."),
        ]  # fmt: skip


def test_bars_add_no_space_to_a_text_without_spaces() -> None:
    assert barred("我|喜欢|你").text == "我喜欢你"


@given(st.lists(st.tuples(TEXTS, TEXTS, st.sampled_from(["", "a", "noun phrase", "动词"])), max_size=4), TEXTS)
def test_brackets_of_any_escaped_texts_are_found(found: list[tuple[str, str, str]], last: str) -> None:
    marked = "".join(
        f"{escaped(before)}[{escaped(text)}]" + (f"{{{name}}}" if name else "") for before, text, name in found
    )
    sentence = bracketed(marked + escaped(last))
    assert sentence.text == "".join(before + text for before, text, _ in found) + last
    assert parts(sentence) == [(name or str(n), text) for n, (_, text, name) in enumerate(found, start=1)]


@given(st.lists(TEXTS.map(str.strip), min_size=1, max_size=5))
def test_bars_of_any_escaped_texts_are_found(texts: list[str]) -> None:
    sentence = barred("|".join(map(escaped, texts)))
    assert [text for _, text in parts(sentence)] == texts
    assert sentence.text.replace(" ", "") == "".join(texts).replace(" ", "")


def test_word_numbers_count_from_one() -> None:
    text = " The horse  raced past the barn fell."

    def words(given: object) -> list[tuple[str, str]]:
        return parts(Sentence(text, tuple(of_word_numbers(text, given))))

    assert words("3") == [("1", "raced")]
    assert words("verb=3, 4-6;end=7") == [("verb", "raced"), ("2", "past the barn"), ("end", "fell.")]
    assert words("7 3") == [("1", "raced"), ("2", "fell.")]
    assert words([3, "7"]) == words("3 7")
    assert words(3) == words("3")
    assert words(None) == words("") == []


def test_word_names_join_equal_neighbours() -> None:
    text = "The horse raced past the barn fell ."

    def words(given: object) -> list[tuple[str, str]]:
        return parts(Sentence(text, tuple(of_word_names(text, given))))

    assert words("s s v pp pp pp v -") == [("s", "The horse"), ("v", "raced"), ("pp", "past the barn"), ("v", "fell")]
    assert words(list("ssvpppv-"))[1] == ("v", "raced")
    assert words(None) == []


@pytest.mark.parametrize(
    ("read", "marked", "said"),
    [
        (bracketed, "a [b", "not closed"),
        (bracketed, "a b]", "not opened"),
        (bracketed, "[a [b]]", "within brackets"),
        (bracketed, "a {b} c", "follows a closing bracket"),
        (bracketed, "[a] {b}", "follows a closing bracket"),
        (bracketed, "[a]{ }", "empty"),
        (barred, "a {b} c | d", "ends its part"),
        (barred, "a {b}{c} | d", "ends its part"),
        (lambda text: list(of_word_numbers("a b", text)), "0", "from 1"),
        (lambda text: list(of_word_numbers("a b", text)), "3", "has 2"),
        (lambda text: list(of_word_numbers("a b", text)), "2-1", "no words"),
        (lambda text: list(of_word_numbers("a b", text)), "1-2 2", "in two regions"),
        (lambda text: list(of_word_numbers("a b", text)), "-1", "expected numbers"),
        (lambda text: list(of_word_names("a b", text)), "x", "1 names of regions for the 2 words"),
        (RegionMarks.of, "bracket", 'did you mean "brackets"'),
        (RegionMarks.of, "numbers", "numbers:COLUMN"),
    ],
)  # fmt: skip
def test_marks_that_cannot_be_read_are_refused(read: object, marked: str, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)) as raised:
        read(marked)  # type: ignore[operator]
    assert "\n" not in str(raised.value)

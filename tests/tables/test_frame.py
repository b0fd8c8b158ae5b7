"""Scores of data frames: the numbers are those of `lm.surprisal`, the frames those of pandas and polars."""

from __future__ import annotations

import importlib
import math
from typing import Any

import pytest

import weft
from helpers.untrained import untrained
from weft.errors import InputError

KINDS = ("pandas", "polars")
TEXTS = ["you say hello .", None, "say foo 好", "", "hello"]
MARKED = ["you [say hello]{verb} .", None, "[say] [foo]{verb} 好", "NA", "hello"]


@pytest.fixture(params=KINDS)
def library(request: pytest.FixtureRequest) -> Any:
    return pytest.importorskip(request.param)


def rows(frame: Any) -> list[dict[str, Any]]:
    """The rows, a missing value as None."""
    if hasattr(frame, "to_dicts"):
        return list(frame.to_dicts())
    pandas = importlib.import_module("pandas")
    return [
        {name: None if pandas.isna(value) else value for name, value in row.items()} for row in frame.to_dict("records")
    ]


@pytest.mark.parametrize("tokenizer", ["word", "char", "bpe"])
def test_long_rows_are_those_of_surprisal(library: Any, tokenizer: str) -> None:
    lm = untrained(tokenizer)
    frame = library.DataFrame({"item": [1, 2, 3, 4, 5], "sentence": TEXTS})
    scored = weft.score_frame(lm, frame)
    assert type(scored) is type(frame)
    found = rows(scored)
    for row, text in enumerate(TEXTS):
        own = [each for each in found if each["row"] == row]
        assert {(each["item"], each["sentence"]) for each in own} == {(row + 1, text)}
        if not text:
            assert [each["surprisal_bits"] for each in own] == [None]
            continue
        expected = lm.surprisal(text)
        assert [each["token"] for each in own] == [token for token, _ in expected]
        assert [each["surprisal_bits"] for each in own] == pytest.approx([bits for _, bits in expected], rel=1e-5)
        assert [each["position"] for each in own] == list(range(len(own)))


def test_wide_rows_are_sums_and_means(library: Any) -> None:
    lm = untrained("word")
    frame = library.DataFrame({"t": TEXTS})
    for row, text in zip(rows(weft.score_frame(lm, frame, "t", "wide")), TEXTS, strict=True):
        assert row["t"] == text
        if not text:
            assert row["tokens"] is row["surprisal_sum_bits"] is None
            continue
        bits = [bits for _, bits in lm.surprisal(text)]
        assert row["tokens"] == len(bits)
        assert row["oov"] == sum(score.oov for score in lm.scores(text))
        assert row["surprisal_sum_bits"] == pytest.approx(math.fsum(bits), rel=1e-5)
        assert row["surprisal_mean_bits"] == pytest.approx(math.fsum(bits) / len(bits), rel=1e-5)
        assert row["logprob_sum_nats"] == pytest.approx(lm.logprob(text), rel=1e-5)


@pytest.mark.parametrize("tokenizer", ["word", "char"])
def test_regions_are_sums_over_their_tokens(library: Any, tokenizer: str) -> None:
    lm = untrained(tokenizer)
    frame = library.DataFrame({"sentence": MARKED, "condition": list("abcde")})
    found = rows(weft.score_frame(lm, frame, regions="brackets"))
    shown = [(row["condition"], row["region_number"], row["region"], row["words"]) for row in found]
    assert shown == [
        ("a", 1, "verb", "say hello"), ("b", None, None, None), ("c", 1, "1", "say"), ("c", 2, "verb", "foo"),
        ("d", None, None, None), ("e", None, None, None),
    ]  # fmt: skip
    of_words = {"word": 2, "char": len(" say hello")}[tokenizer]
    scores = lm.surprisal("you say hello .")
    first = {"word": 1, "char": len("you")}[tokenizer]
    bits = [bits for _, bits in scores[first : first + of_words]]
    assert found[0]["tokens"] == of_words
    assert found[0]["surprisal_sum_bits"] == pytest.approx(math.fsum(bits), rel=1e-5)
    assert found[0]["surprisal_mean_bits"] == pytest.approx(math.fsum(bits) / of_words, rel=1e-5)
    assert found[3]["oov"] == 1  # the word, or its first letter


@pytest.mark.parametrize("tokenizer", ["word", "char", "bpe"])
def test_regions_that_cover_a_sentence_sum_to_it(tokenizer: str) -> None:
    pandas = pytest.importorskip("pandas")
    lm = untrained(tokenizer)
    text = "you say | goodbye and || i say | hello ."
    for words in (False, True):
        found = weft.score_frame(lm, pandas.DataFrame({"sentence": [text]}), regions="bars", words=words)
        whole = lm.score_lines(["you say goodbye and i say hello ."], wanted=weft.scoring.Wanted(words=words))
        bits = [score.surprisal_bits for score in next(whole) if not score.is_line_end]
        assert found["surprisal_sum_bits"].sum() == pytest.approx(math.fsum(bits), rel=1e-5)
        assert list(found["words"]) == ["you say", "goodbye and", "", "i say", "hello ."]
        assert found["surprisal_sum_bits"].isna().tolist() == [False, False, True, False, False]


def test_long_rows_name_the_region_of_each_token() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"sentence": ["you say hello ."], "critical": ["verb=2"]})
    found = weft.score_frame(untrained("word"), frame, layout="long", regions="numbers:critical")
    assert [None if pandas.isna(name) else name for name in found["region"]] == [None, "verb", None, None, None]


def test_word_numbers_of_a_column_with_missing_values_are_numbers(library: Any) -> None:
    frame = library.DataFrame({"sentence": ["you say hello ."] * 3, "critical": [2.0, None, float("nan")]})
    found = rows(weft.score_frame(untrained("word"), frame, regions="numbers:critical"))
    assert [row["words"] for row in found] == ["say", None, None]


def test_word_numbers_in_lists_are_read(library: Any) -> None:
    frame = library.DataFrame({"sentence": ["you say hello ."], "critical": [[2, 4]]})
    found = weft.score_frame(untrained("word"), frame, regions="numbers:critical")
    assert found["words"].to_list() == ["say", "."]


def test_unknown_words_leave_sums_undefined_on_request() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"sentence": ["[say] [foo]"]})
    found = weft.score_frame(untrained("word"), frame, regions="brackets", unknown_as_na=True)
    assert found["surprisal_sum_bits"].isna().tolist() == [False, True]


def test_names_that_the_frame_has_are_kept_for_its_columns(library: Any) -> None:
    frame = library.DataFrame({"text": ["say hello"], "row": [7]})
    found = rows(weft.score_frame(untrained("word"), frame, "text"))
    assert [(each["text"], each["row"], each["weft_row"]) for each in found] == [("say hello", 7, 0)] * 3
    assert [each["weft_text"] for each in found] == ["say", "hello", ""]


def test_a_pandas_frame_with_any_index_and_no_rows_is_scored() -> None:
    pandas = pytest.importorskip("pandas")
    lm = untrained("word")
    frame = pandas.DataFrame({"sentence": ["say hello", "you"]}, index=[5, 5])
    assert weft.score_frame(lm, frame, layout="wide")["row"].tolist() == [0, 1]
    assert list(weft.score_frame(lm, frame[:0], layout="wide").columns)[:2] == ["sentence", "row"]
    assert len(weft.score_frame(lm, frame[:0])) == 0


def test_to_frame_takes_a_text_or_lines(library: Any) -> None:
    lm, name = untrained("word"), library.__name__
    one = lm.to_frame("you say hello", library=name)
    assert type(one) is library.DataFrame
    assert rows(one) == rows(lm.to_frame(["you say hello"], layout="long", library=name))
    assert [row["tokens"] for row in rows(lm.to_frame(["say", None], layout="wide", library=name))] == [2, None]


def test_base_and_columns_choose_units_and_measures(library: Any) -> None:
    lm = untrained("word")
    found = rows(lm.to_frame("you say", library=library.__name__, columns=["token", "surprisal", "rank"], base="e"))
    assert list(found[0]) == ["sentence", "row", "token", "surprisal_nats", "rank"]
    assert [row["surprisal_nats"] for row in found] == pytest.approx(
        [bits * math.log(2) for _, bits in lm.surprisal("you say")], rel=1e-5
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"text": "sentense"}, 'there is no column \'sentense\' \\(did you mean "sentence"'),
        ({"layout": "tall"}, "the layout must be one of long, wide, regions"),
        ({"layout": "regions"}, "needs to know how regions are given"),
        ({"layout": "wide", "regions": "bars"}, "leave out the regions"),
        ({"layout": "wide", "columns": ["rank"]}, "in the layout 'long'"),
        ({"columns": ["suprisal"]}, 'did you mean "surprisal"'),
        ({"columns": ["alternatives"]}, "one value in a cell"),
        ({"regions": "names:regoin"}, "there is no column 'regoin'"),
        ({"base": "3"}, "base must be one of"),
        ({"text": "item"}, "should be text, got 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(settings: dict[str, Any], said: str) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"item": [1], "sentence": ["a"]})
    with pytest.raises(InputError, match=said):
        weft.score_frame(untrained("word"), frame, **settings)


def test_two_columns_of_the_name_are_refused() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame([["a", "b"]], columns=["sentence", "sentence"])
    with pytest.raises(InputError, match="there are 2 columns 'sentence'"):
        weft.score_frame(untrained("word"), frame)


def test_other_objects_are_no_frames() -> None:
    with pytest.raises(InputError, match="expected a data frame of pandas or polars, got a builtins"):
        weft.score_frame(untrained("word"), {"sentence": ["a"]})
    polars = pytest.importorskip("polars")
    with pytest.raises(InputError, match="LazyFrame; collect"):
        weft.score_frame(untrained("word"), polars.LazyFrame({"sentence": ["a"]}))

"""Any n-best list: totals are those of the textbook; damage is refused or gives finite numbers and valid JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.damage import damaged
from helpers.nbest_files import (
    MODERATE,
    NBestFile,
    column_contents,
    damaged_kaldi_contents,
    json_contents,
    nbest_files,
)
from weft.errors import InputError
from weft.rescoring import ColumnLayout, JsonLayout, KaldiLayout, RescoredUtterance, TextScore, Weights, rescore
from weft.rescoring.json_layout import plain_objects
from weft.rescoring.layout import Layout
from weft.rescoring.references import read_references

COLUMNS = ["id", "ascore", "lscore", "nwords", "text"]
WEIGHTS = st.lists(st.floats(-100, 100), min_size=4, max_size=4)


class Constant:
    """ln P of every word, and of the end of a text."""

    def __init__(self, nats: float = -1.5) -> None:
        self.nats = nats

    def score(self, texts: Sequence[str]) -> list[TextScore]:
        lengths = [len(text.split()) + 1 for text in texts]
        return [TextScore(self.nats * length, length, 0) for length in lengths]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def rescored(layout: Layout, weights: Weights, *files: str, nats: float = -1.5) -> list[RescoredUtterance]:
    return list(rescore(layout.read(files), Constant(nats), weights))


def strict_json(line: str) -> dict[str, Any]:
    def refuse(name: str) -> NoReturn:
        raise AssertionError(f"{name} is not JSON")

    row = json.loads(line, parse_constant=refuse)
    assert isinstance(row, dict)
    return row


@given(nbest_files(MODERATE), WEIGHTS)
def test_the_totals_are_those_of_the_textbook(file: NBestFile, weights: list[float]) -> None:
    texts, acoustic, lm = file.kaldi()
    for name, content in (
        ("columns", file.columns()), ("jsonl", file.json_lines()), ("texts", texts), ("ac", acoustic), ("lm", lm),
    ):  # fmt: skip
        Path(name).write_bytes(content)
    acoustic_weight, lm_weight, old_lm_weight, word_weight = weights
    chosen = Weights(acoustic_weight, lm_weight, old_lm_weight, word_weight)
    for layout, name, ln_of_base in (
        (ColumnLayout(COLUMNS), "columns", math.log(10)),
        (JsonLayout(acoustic="am", lm="lm"), "jsonl", 1.0),
        (KaldiLayout("ac", "lm"), "texts", 1.0),
    ):
        utterances = rescored(layout, chosen, name)
        assert [utterance.utterance.id for utterance in utterances] == list(dict.fromkeys(row.id for row in file.rows))
        totals = np.concatenate([utterance.totals_nats for utterance in utterances])
        expected = file.totals(weights, ln_of_base, -1.5, nwords=name == "columns")
        assert totals.tolist() == pytest.approx(expected, rel=1e-9, abs=1e-6)
        for utterance in utterances:
            assert [strict_json(line)["text"] for line in plain_objects(utterance)] == [
                hypothesis.text for hypothesis in utterance.utterance.hypotheses
            ]


def check(layout: Layout, *files: str) -> None:
    """A list is refused in one short line, or all its numbers are finite and its JSON is valid."""
    try:
        utterances = rescored(layout, Weights(0.5, 2.0, 0.25, -1.0), *files)
        written = [line for utterance in utterances for line in layout.scored(utterance)]
    except InputError as error:
        message = str(error)
        assert message.isprintable()
        assert len(message) < 300
        return
    assert all(np.isfinite(utterance.totals_nats).all() for utterance in utterances)
    objects = [strict_json(line) for utterance in utterances for line in plain_objects(utterance)]
    numbers = [value for row in objects for value in row.values() if isinstance(value, float)]
    assert all(map(math.isfinite, numbers))
    if isinstance(layout, JsonLayout):
        assert len([strict_json(line) for line in written]) == len(objects)


@given(damaged(column_contents()))
@settings(max_examples=200)
def test_damaged_columns_are_refused_in_one_line_or_give_finite_numbers(content: bytes) -> None:
    Path("list").write_bytes(content)
    check(ColumnLayout(COLUMNS), "list")
    check(ColumnLayout(), "list")


@given(damaged(json_contents()))
@settings(max_examples=200)
def test_damaged_json_is_refused_in_one_line_or_gives_finite_numbers(content: bytes) -> None:
    Path("list").write_bytes(content)
    check(JsonLayout(acoustic="am", lm="lm"), "list")


@given(damaged_kaldi_contents())
@settings(max_examples=200)
def test_damaged_costs_are_refused_in_one_line_or_give_finite_numbers(contents: tuple[bytes, bytes, bytes]) -> None:
    for name, content in zip(("texts", "ac", "lm"), contents, strict=True):
        Path(name).write_bytes(content)
    check(KaldiLayout("ac", "lm"), "texts")
    check(KaldiLayout("ac"), "texts")


@pytest.mark.parametrize("score", ["1e308", "-1e308", "1.1e15", "1e400", "1_0", "nan", "Infinity", "true", "0x10"])
def test_scores_that_no_list_has_are_refused(score: str) -> None:
    Path("columns").write_text(f"u {score} -1 1 a\n")
    Path("jsonl").write_text(f'{{"id": "u", "text": "a", "am": {score}, "lm": -1}}\n')
    Path("texts").write_text("u-1 a\n")
    Path("ac").write_text(f"u-1 {score}\n")
    for layout, file in (
        (ColumnLayout(COLUMNS), "columns"), (JsonLayout(acoustic="am", lm="lm"), "jsonl"), (KaldiLayout("ac"), "texts"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=r"line 1: (ascore|'am'|the cost|not a JSON object)"):
            list(layout.read([file]))


def test_numbers_elsewhere_in_an_object_are_written_as_valid_json() -> None:
    for more, kept in (("1e308", 1e308), ("-0.0", 0.0), ("1" * 40, int("1" * 40)), ('{"a": [1e-400]}', {"a": [0.0]})):
        Path("list").write_text(f'{{"id": "u", "text": "a", "more": {more}}}\n')
        (utterance,) = rescored(JsonLayout(), Weights(), "list")
        (line,) = JsonLayout().scored(utterance)
        assert strict_json(line)["more"] == kept
    for more in ("1e309", "NaN", "[Infinity]", "1" * 5000, "[" * 101 + "]" * 101, '"\\ud800"'):
        Path("list").write_text(f'{{"id": "u", "text": "a", "more": {more}}}\n')
        with pytest.raises(InputError, match="list, line 1: not a JSON object"):
            rescored(JsonLayout(), Weights(), "list")


@pytest.mark.parametrize(
    ("weights", "nats"),
    [
        (Weights(acoustic_weight=1e308), -1.5),
        (Weights(word_weight=-1e308), -1.5),
        (Weights(acoustic_weight=1e300, word_weight=-1e300), -1.5),
        (Weights(), math.nan),
        (Weights(lm_weight=0), -math.inf),
    ],
)
def test_a_total_that_is_not_finite_is_refused(weights: Weights, nats: float) -> None:
    Path("list").write_text("u -1 -1 1 a\nv -1e10 -1 999999999 a b\n")
    with pytest.raises(InputError, match=r"the utterance '[uv]': the total of hypothesis 1 is not a finite number"):
        rescored(ColumnLayout(COLUMNS), weights, "list", nats=nats)


LONG = "\x1b]0;" + "x" * 100_000
"""A line that sets the title of a terminal."""


@pytest.mark.parametrize(
    ("layout", "content"),
    [
        (ColumnLayout(COLUMNS), f"u {LONG} -1 1 a\n"),
        (ColumnLayout(COLUMNS), f"u -1 -1 {LONG} a\n"),
        (ColumnLayout(COLUMNS), f"{LONG} -1 -1 1 a\nu -1 -1 1 a\n{LONG} -1 -1 1 a\n"),
        (KaldiLayout(), f"{LONG} a\n"),
        (KaldiLayout(), f"{LONG}-1 a\n{LONG}-1 a\n"),
        (KaldiLayout("other"), f"{LONG}-1 a\n"),
        (JsonLayout(), json.dumps({LONG: 1, "id": "u"})),
        (JsonLayout(), json.dumps({"id": [LONG], "text": "a"})),
        (JsonLayout(), json.dumps({"id": "u", "text": {LONG: LONG}})),
        (JsonLayout(acoustic="am"), json.dumps({"id": "u", "text": "", "am": LONG})),
        (JsonLayout(), json.dumps([LONG])),
        (JsonLayout(), LONG),
    ],
    ids=range(12),
)
def test_a_message_does_not_repeat_a_long_line(layout: Layout, content: str) -> None:
    Path("list").write_text(content)
    Path("other").write_text(f"{LONG}-2 1\n")
    with pytest.raises(InputError) as refused:
        rescored(layout, Weights(), "list")
    assert len(str(refused.value)) < 300
    assert str(refused.value).isprintable()


def test_a_message_about_references_does_not_repeat_long_ids() -> None:
    Path("references").write_text("".join(f"{LONG}{number} a\n" for number in range(5)))
    references = read_references("references")
    for refused in (lambda: references.of(LONG), references.refuse_unused):
        with pytest.raises(InputError) as raised:
            refused()
        assert len(str(raised.value)) < 300
        assert str(raised.value).isprintable()

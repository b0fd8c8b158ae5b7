"""The formats, byte by byte: golden files written by hand after the original tools, and their formulas."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers.scored_lines import IDS, LINES, LN2, scored
from weft.errors import InputError
from weft.scoring import TokenScore
from weft.scoring.formats import FORMATS, Layout
from weft.scoring.formats.columns import COLUMNS, columns_in_units
from weft.scoring.formats.kenlm import shortest
from weft.scoring.formats.surprisal import write_surprisal
from weft.scoring.formats.table import write_table
from weft.scoring.units import UNITS

GOLDEN = Path(__file__).parent / "golden"
LAYOUTS = {
    "kenlm": Layout(id_of=IDS.get),
    "srilm": Layout(detail="word", source="words.txt"),
    "lm-zoo": Layout(),
    "tsv": Layout(),
    "jsonl": Layout(columns=("token", "logprob", "entropy", "oov"), unit=UNITS["10"], modes=("sentence", "running")),
}


def written(name: str, layout: Layout, lines: list[list[TokenScore]] = LINES) -> str:
    return "".join(FORMATS[name].write(lines, layout))


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_format_equals_its_golden_file(name: str) -> None:
    golden = (GOLDEN / f"{name}.txt").read_bytes().decode("utf-8")
    assert written(name, LAYOUTS[name]) == golden


def test_surprisal_equals_its_golden_file() -> None:
    lines = [
        scored(0, "the xyzzy sat", [0.0] * 4, "xyzzy", [4.0, 2.5, 3.0, 1.0]),
        scored(1, "", [0.0], "", [2.0]),
        scored(2, "way", [0.0] * 2, "", [4.25, 1.0]),
    ]
    bits = {("the", 0): 3.0, ("xyzzy", 0): 5.5, ("sat", 0): 0.5, ("way", 2): 1.0}
    lines = [
        [replace(score, logprob_nats=-LN2 * bits.get((score.text, score.sentence), 0.0)) for score in line]
        for line in lines
    ]
    assert "".join(write_surprisal(lines, Layout())) == (GOLDEN / "surprisal.txt").read_text("utf-8")


def test_words_of_several_tokens_have_no_entropy_in_surprisal() -> None:
    rows = "".join(write_surprisal([scored(0, "a b", [-1.0] * 3)], Layout())).splitlines()
    assert [row.split(" ")[5:] for row in rows[1:]] == [["NA", "NA", "0"], ["NA", "NA", "0"]]


def test_the_formulas_of_kenlm_and_srilm() -> None:
    lines = LINES[:2]
    # KenLM: log10 -5.25 over five tokens with the OOV, -3.25 over the four without it.
    summary = written("kenlm", Layout(detail="summary"), lines)
    including, excluding, oovs, tokens = (line.split("\t")[1] for line in summary.splitlines())
    assert (float(including), float(excluding)) == pytest.approx((10 ** (5.25 / 5), 10 ** (3.25 / 4)), rel=1e-15)
    assert (oovs, tokens) == ("1", "5")
    # SRILM: -3.25 over 3 words - 1 OOV + 2 sentences, and over the 2 words alone.
    assert written("srilm", Layout(), lines) == (
        "file -: 2 sentences, 3 words, 1 OOVs\n"
        f"0 zeroprobs, logprob= -3.25 ppl= {10 ** (3.25 / 4):.7g} ppl1= {10 ** (3.25 / 2):.7g}\n"
    )


def test_levels_of_detail() -> None:
    golden = (GOLDEN / "kenlm.txt").read_text("utf-8").splitlines()
    totals = [line.split("\t")[-1] for line in golden[:4]]
    assert written("kenlm", Layout(detail="sentence")).splitlines() == [*totals, *golden[4:]]
    assert written("kenlm", Layout(detail="summary")).splitlines() == golden[4:]
    golden = (GOLDEN / "srilm.txt").read_text("utf-8").splitlines()
    assert written("srilm", Layout(detail="sentence", source="words.txt")).splitlines() == [
        line for line in golden if not line.startswith("\t")
    ]
    assert written("srilm", Layout(detail="summary", source="words.txt")).splitlines() == golden[-2:]


def test_empty_input_is_written_like_the_original_tools() -> None:
    assert written("kenlm", Layout(), []) == (
        "Perplexity including OOVs:\tNaN\nPerplexity excluding OOVs:\tNaN\nOOVs:\t0\nTokens:\t0\n"
    )
    assert written("srilm", Layout(), []) == "file -: 0 sentences, 0 words, 0 OOVs\n"
    assert written("surprisal", Layout(), []) == "word sentid sentpos wlen surp entropy entred oov\n"
    assert written("jsonl", Layout(), []) == written("table", Layout(), []) == ""
    assert len(written("tsv", Layout(), []).splitlines()) == 1


def test_context_length_carries_over_lines_in_running_text() -> None:
    def lengths(running: bool) -> list[int]:
        return [int(length) for length in re.findall(r"=\d+ (\d+) ", written("kenlm", Layout(running=running)))]

    assert lengths(running=False) == [2, 3, 4, 5, 2, 2, 3, 4]
    assert lengths(running=True) == [2, 3, 4, 5, 6, 7, 8, 9]


def test_compute_best_mix_reads_the_log_probability_of_every_word() -> None:
    # The rule of compute-best-mix: rows whose first field is "p(", the context reduced to one word, the tenth field.
    found = []
    for row in written("srilm", Layout(detail="word")).splitlines():
        if row.split()[:1] == ["p("]:
            fields = re.sub(r"[|] [^)]*\)", "| X )", row).split()
            found.append((fields[1], float(fields[9])))
    assert found == [
        ("the", -1.0), ("<unk>", -math.inf), ("sat", -0.5), ("</s>", -0.25), ("</s>", -1.5),
        ("no", -0.75), ("way", -math.inf), ("</s>", -0.125),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (np.float32(-2.7017515), "-2.7017515"),
        (np.float64(93.27526264042754), "93.27526264042754"),
        (np.float32(0), "0"),
        (np.float32(-3), "-3"),
        (np.float32(-1e-6), "-0.000001"),
        (np.float32(1e-7), "1e-7"),
        (np.float32(-2.5e-8), "-2.5e-8"),
        (np.float64(1e20), "100000000000000000000"),
        (np.float64(1e21), "1e21"),
        (np.float64(1.5e30), "1.5e30"),
        (np.float32(-np.inf), "-inf"),
        (np.float64(np.nan), "NaN"),
    ],
)
def test_numbers_are_the_shortest_that_parse_to_the_same_value(number: np.floating, text: str) -> None:
    assert shortest(number) == text


def test_kenlm_sums_a_sentence_in_single_precision() -> None:
    log10s = [-16777216.0, -1.0, -1.0, 0.0]  # 2^24, beyond which single precision has no odd numbers
    total = written("kenlm", Layout(detail="sentence"), [scored(0, "a b c", log10s)]).splitlines()[0]
    assert total == "Total: -16777216 OOV: 0"


def test_white_space_within_a_word_is_escaped() -> None:
    (word, end) = scored(0, "a", [-1.0, -1.0])
    odd = replace(word, text="a\t b", token="a\t b")
    assert written("kenlm", Layout(), [[odd, end]]).startswith("a\\x09\\x20b=1 2 -1\t</s>")
    assert "p( a\\x09\\x20b | <s> ) " in written("srilm", Layout(detail="word"), [[odd, end]])
    assert written("surprisal", Layout(), [[odd, end]]).splitlines()[1].startswith("a\\x09\\x20b 0 0 10 ")


@pytest.mark.parametrize(
    ("base", "unit", "factor"), [("2", "bits", LN2), ("e", "nats", 1), ("10", "bans", math.log(10))]
)
def test_every_logarithm_is_in_the_requested_unit(base: str, unit: str, factor: float) -> None:
    score = TokenScore(0, 0, "a", "a", 0, 1, -3.0, 2.0, 4, False, (("b", -1.0), ("a", -3.0)), 0.5)
    columns = columns_in_units(tuple(COLUMNS), UNITS[base])
    values = {column.header: column.value(score) for column in columns}
    logarithms = {name: values[f"{name}_{unit}"] for name in ("logprob", "surprisal", "entropy", "entropy_reduction")}
    expected = {"logprob": -3.0, "surprisal": 3.0, "entropy": 2.0, "entropy_reduction": 0.5}
    assert logarithms == pytest.approx({name: value / factor for name, value in expected.items()})
    assert [p for _, p in values[f"alternatives_{unit}"]] == pytest.approx([-1.0 / factor, -3.0 / factor])
    assert not [header for header in values if "_" in header and not header.endswith(unit)]


def test_undefined_values_are_empty_or_null() -> None:
    layout = Layout(columns=("entropy", "entropy_reduction", "rank"))
    assert written("tsv", layout, LINES[1:2]).splitlines()[1] == "\t\t"
    assert set(json.loads(written("jsonl", layout, LINES[1:2])).values()) == {None}


def test_json_preserves_any_text() -> None:
    text = 'a"\\\t\u2028👩‍👧'
    score = TokenScore(0, 0, "<unk>", text, 0, len(text), -math.inf, None, None, True, (('"', -1.0),))
    row = json.loads(written("jsonl", Layout(columns=tuple(COLUMNS)), [[score]]))
    assert (row["text"], row["logprob_nats"], row["oov"]) == (text, -math.inf, True)
    assert row["alternatives"] == [{"token": '"', "logprob_nats": -1.0}]


def test_tsv_escapes_tokens_and_texts() -> None:
    score = TokenScore(0, 0, " a\t", " a\t\u2028", 0, 4, -1.0, None, None, False)
    assert written("tsv", Layout(columns=("token", "text")), [[score]]).splitlines()[1] == "␣a\\t\t a\\t\\u2028"


def test_numbers_of_a_wide_table_are_not_truncated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    table = "".join(write_table(LINES[:1], Layout(columns=tuple(COLUMNS))))
    assert "entropy_reduction_bits" in table
    assert "…" not in table
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    narrow = re.sub(r"\x1b\[[0-9;]*m", "", "".join(write_table(LINES[:1], Layout(columns=("logprob",) * 8))))
    assert max(map(len, narrow.splitlines())) <= 40
    assert "…" not in narrow.replace("┃ …", "")


def test_a_table_has_sums_of_logprob_and_surprisal() -> None:
    table = "".join(write_table(LINES[:1], Layout(columns=("text", "logprob", "entropy"), unit=UNITS["10"])))
    assert re.search(r"│ sum +│ +-3\.7500 │ +│", table)
    assert "logprob_bans" in table


def test_an_unknown_column_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match=r"no column 'entropi' \(did you mean \"entropy\"\?\)"):
        columns_in_units(["entropi"], None)

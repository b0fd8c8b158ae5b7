"""`weft score FILE --text-column` and `weft plot-regions`: tables in, tables and pictures out."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import pytest

import weft
from helpers.command_line import Answer, RunWeft

STIMULI = '''item,condition,sentence,note
1,a,the [cat]{noun} [sat]{verb} on the mat .,"x, ""y"""
1,b,the [dog]{noun} [sat]{verb} on the mat .,
2,a,,
2,b,the [zebra]{noun} [sat]{verb} .,NA
'''


@pytest.fixture
def stimuli(tmp_path: Path) -> Path:
    path = tmp_path / "stimuli.csv"
    path.write_text(STIMULI, "utf-8-sig")
    return path


def rows(answer: Answer) -> list[dict[str, str]]:
    assert answer.code == 0, answer.err
    return list(csv.DictReader(io.StringIO(answer.out, newline=""), strict=True))


def test_regions_have_the_sums_of_their_words(run_weft: RunWeft, trained: Path, stimuli: Path) -> None:
    answer = run_weft("score", stimuli, "--text-column", "sentence", "--regions", "brackets", "--run", trained)
    found = rows(answer)
    assert [(row["item"], row["condition"], row["region"], row["words"], row["note"]) for row in found] == [
        ("1", "a", "noun", "cat", 'x, "y"'), ("1", "a", "verb", "sat", 'x, "y"'), ("1", "b", "noun", "dog", ""),
        ("1", "b", "verb", "sat", ""), ("2", "a", "", "", ""), ("2", "b", "noun", "zebra", "NA"),
        ("2", "b", "verb", "sat", "NA"),
    ]  # fmt: skip
    bits = dict(weft.load(trained).surprisal("the cat sat on the mat ."))
    assert float(found[0]["surprisal_sum_bits"]) == pytest.approx(bits["cat"], abs=1e-5)
    assert found[4]["surprisal_sum_bits"] == found[4]["tokens"] == "NA"
    assert "rows without text in 'sentence', whose scores are NA: 1" in answer.err
    assert "zebra" in answer.err


def test_layouts_and_formats_agree(run_weft: RunWeft, trained: Path, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame({"id": ["007", "NA", "x"], "s": ["the cat sat", "the\ndog", "mat"]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    lm = weft.load(trained)
    expected = [math.fsum(bits for _, bits in lm.surprisal(text)) for text in frame["s"]]
    for format in ("csv", "tsv", "jsonl"):
        answer = run_weft(
            "score", "t.csv", "--text-column=s", "--layout=wide", f"--format={format}", "--run", trained, "--quiet"
        )
        assert answer.code == 0
        if format == "jsonl":
            back = pandas.DataFrame([json.loads(line) for line in answer.out.splitlines()])
        else:
            back = pandas.read_csv(
                io.StringIO(answer.out, newline=""), sep={"csv": ",", "tsv": "\t"}[format], dtype={"id": str},
                keep_default_na=False,
            )  # fmt: skip
        assert back[["id", "s"]].to_dict("list") == frame.to_dict("list")
        assert back["surprisal_sum_bits"].tolist() == pytest.approx(expected, abs=1e-5)


def test_long_rows_have_the_columns_asked_for(run_weft: RunWeft, trained: Path, stimuli: Path) -> None:
    long = run_weft(
        "score", "--file", stimuli, "--text-column=sentence", "--layout=long", "--regions=brackets", "--no-eos",
        "--columns=token,surprisal,rank", "--base=e", "--unknown-as-na", "--run", trained, "--batch-size=1",
    )  # fmt: skip
    found = rows(long)
    assert list(found[0])[4:] == ["row", "region_number", "region", "token", "surprisal_nats", "rank"]
    pairs = [(row["token"], row["region"]) for row in found]
    assert pairs[:4] == [("the", ""), ("cat", "noun"), ("sat", "verb"), ("on", "")]
    assert all((row["surprisal_nats"] == "NA") == (row["token"] in ("", "<unk>")) for row in found)
    assert found[-2]["token"] == "sat"
    assert found[-3]["token"] == "<unk>"


def test_standard_input_is_a_table_too(run_weft: RunWeft, trained: Path) -> None:
    answer = run_weft("score", "--text-column=a", "--run", trained, stdin=b'{"a": "the cat", "b": [1]}\n')
    assert [json.loads(line)["token"] for line in answer.out.splitlines()] == ["the", "cat", "<eos>"]


def test_rows_before_a_fault_are_written(run_weft: RunWeft, trained: Path) -> None:
    answer = run_weft("score", "--text-column=a", "--layout=wide", "--run", trained, stdin=b"a,b\nthe,1\ncat,2\ndog\n")
    assert answer.code == 2
    assert answer.out.count("\n") == 3
    assert "line 4 ends a row of 1 fields" in answer.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--text-column=sentense"], 'there is no column \'sentense\' (did you mean "sentence"?)'),
        (["--text-column=sentence", "--regions=names:nte"], 'there is no column \'nte\' (did you mean "note"?)'),
        (["--text-column=sentence", "--regions=bracket"], 'did you mean "brackets"'),
        (["--text-column=sentence", "--regions=numbers:note"], "row 1: expected numbers of words"),
        (["--text-column=sentence", "--layout=tall"], "--layout must be one of long, wide"),
        (["--text-column=sentence", "--format=kenlm"], "--format must be one of csv, tsv, jsonl, parquet"),
        (["--text-column=sentence", "--both"], "--both is for lines of text"),
        (["--text-column=sentence", "--html=a.html"], "--html, --png and --on-error are for lines"),
        (["--text-column=sentence", "other.csv"], "one table is scored"),
        (["--layout=wide"], "--layout is for tables"),
        (["--regions=bars"], "--regions is for tables"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(
    options: list[str], said: str, run_weft: RunWeft, trained: Path, stimuli: Path
) -> None:
    assert said in run_weft("score", stimuli, *options, "--run", trained, "-q").refusal()


def test_regions_are_drawn(run_weft: RunWeft, trained: Path, stimuli: Path) -> None:
    scored = run_weft("score", stimuli, "--text-column=sentence", "--regions=brackets", "--run", trained, "-q")
    for name in ("one.csv", "two.csv"):
        Path(name).write_text(scored.out, "utf-8")
    answer = run_weft("plot-regions", "one.csv", "two.csv", "--condition=condition", "--item=item", "-o", "study.svg")
    assert (answer.code, answer.out) == (0, "")
    assert "some means are of one item alone" in answer.err
    assert Path("study.svg").read_text("utf-8").startswith("<?xml")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--condition=cond", "--output=a.png"], "stimuli.csv: there is no column 'region'"),
        (["--region=item", "--condition=conditio", "--output=a.png"], 'did you mean "condition"'),
        (["--output=a.jpg"], "a picture ends in .png, .svg, .pdf"),
        (["--output=no/a.png"], "there is no folder no"),
        (["stimuli.csv", "--output=a.png"], "two tables have the same name"),
    ],
)  # fmt: skip
def test_pictures_that_cannot_be_are_refused(options: list[str], said: str, run_weft: RunWeft, stimuli: Path) -> None:
    assert said in run_weft("plot-regions", stimuli, *options).refusal()

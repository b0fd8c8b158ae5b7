"""`weft syntaxgym`: many suites and models, formats, tables of other programs, and errors in one line."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

import weft
from helpers.command_line import SIZES, OnTerminal, RunWeft
from helpers.data import DATA, needs_data
from helpers.stimuli_cases import suite_document
from weft.stimuli import read_suite, score_suites


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), delimiter="\t"))


@pytest.fixture
def suites() -> list[str]:
    first, second = suite_document(), suite_document("all", ["(2;%that%) > 0"])
    second["meta"]["name"] = "other"
    Path("first.json").write_text(json.dumps(first))
    Path("second.json").write_text(json.dumps(second))
    return ["first.json", "second.json"]


def surprisal_table(path: str, text: str = "", bits: float = 1.0) -> str:
    """A table as of another program, in which the surprisal of a word is its length."""
    sentences = [sentence.text for sentence in read_suite(path).sentences()]
    rows = [
        f"{line}\t{place}\t{word}\t{bits * len(word)}\n"
        for line, sentence in enumerate(sentences, start=1)
        for place, word in enumerate([*sentence.split(), "<eos>"], start=1)
    ]
    return "sentence_id\ttoken_id\ttoken\tsurprisal\n" + "".join(rows) + text


def test_accuracies_of_suites_and_models(run_weft: RunWeft, trained: Path, suites: list[str]) -> None:
    answer = run_weft("syntaxgym", *suites, "--run", trained)
    rows = rows_of(answer.out)
    assert [(row["model"], row["suite"], row["prediction_id"]) for row in rows] == [
        ("trained", "filler", "0"), ("trained", "filler", "1"), ("trained", "filler", "all"),
        ("trained", "other", "0"), ("trained", "other", "all"),
    ]  # fmt: skip
    results = list(score_suites(weft.load(trained), [read_suite(path) for path in suites], "trained"))
    expected = [results[0].accuracy(0), results[0].accuracy(1), results[0].accuracy()]
    expected += [results[1].accuracy(0), results[1].accuracy()]
    for row, accuracy in zip(rows, expected, strict=True):
        assert (int(row["correct"]), int(row["items"])) == (accuracy.correct, accuracy.total)
        assert float(row["accuracy"]) == pytest.approx(accuracy.share)
        assert (float(row["accuracy_low"]), float(row["accuracy_high"])) == pytest.approx(accuracy.interval(), abs=1e-6)
    assert "trained: 3 of 4 items have words outside the vocabulary" in answer.err


def test_results_of_items_and_regions(run_weft: RunWeft, suites: list[str]) -> None:
    Path("letters.tsv").write_text(surprisal_table("first.json"))
    common = ("syntaxgym", suites[0], "--scores", "letters.tsv", "--format", "tsv", "--rows")
    items = rows_of(run_weft(*common, "items").out)
    assert [(row["model"], row["item_number"], row["prediction_id"], row["result"]) for row in items] == [
        ("letters", "1", "0", "0"), ("letters", "1", "1", "1"), ("letters", "2", "0", "0"), ("letters", "2", "1", "0"),
    ]  # fmt: skip
    regions = rows_of(run_weft(*common, "regions").out)
    assert len(regions) == 2 * 2 * 6
    lengths = [len(row["content"].replace(" ", "")) for row in regions[:5]]
    assert [float(row["sum_bits"]) for row in regions[:5]] == lengths
    with_end = len("attheholidayparty.") + len("<eos>")
    assert float(regions[5]["sum_bits"]) == with_end


def test_evaluated_suites_as_json(run_weft: RunWeft, trained: Path, suites: list[str]) -> None:
    lines = run_weft("syntaxgym", *suites, "--run", trained, "--format", "json", "--out", "evaluated").out.splitlines()
    for line, path in zip(lines, suites, strict=True):
        evaluated = json.loads(line)
        assert evaluated == json.loads((Path("evaluated/trained") / path).read_text("utf-8"))
        assert without_results(evaluated) == json.loads(Path(path).read_text())
        assert evaluated["meta"]["model"] == "trained"
        assert set(evaluated["accuracy"]) == {*(str(n) for n in range(len(evaluated["predictions"]))), "all"}
        again = run_weft("syntaxgym", f"evaluated/trained/{path}", "--run", trained, "--format", "json").out
        assert json.loads(again) == evaluated


def without_results(document: dict[str, Any]) -> dict[str, Any]:
    copied: dict[str, Any] = json.loads(json.dumps(document))
    del copied["meta"]["model"], copied["accuracy"]
    for item in copied["items"]:
        del item["results"]
        for condition in item["conditions"]:
            for region in condition["regions"]:
                del region["metric_value"], region["oovs"]
    return copied


def test_a_table_has_a_column_for_each_model_and_the_mean(
    on_terminal: OnTerminal, trained: Path, suites: list[str]
) -> None:
    Path("letters.tsv").write_text(surprisal_table("first.json"))
    answer = on_terminal("syntaxgym", suites[0], "--run", trained, "--scores", "letters.tsv")
    assert answer.code == 0
    header = next(line for line in answer.out.splitlines() if "suite" in line)
    assert header.index("trained") < header.index("letters")
    assert max(map(len, re.sub(r"\x1b\[[0-9;]*m", "", answer.out).splitlines())) <= 80
    answer = on_terminal("syntaxgym", *suites, "--run", trained, "--png", "accuracy.png")
    assert "mean of 2 suites" in answer.out
    assert Path("accuracy.png").read_bytes().startswith(b"\x89PNG")


def test_runs_of_one_name_are_told_apart(run_weft: RunWeft, trained: Path, suites: list[str]) -> None:
    other = Path(shutil.copytree(trained, "more/trained"))
    folders = ("--run", "trained", "--run", other, "--run", "trained")
    rows = rows_of(run_weft("syntaxgym", suites[1], *folders, "--out", "evaluated").out)
    assert [row["model"] for row in rows] == ["trained", "trained", "more/trained", "more/trained"]
    assert sorted(path.parent.name for path in Path("evaluated").glob("*/second.json")) == ["more_trained", "trained"]


@pytest.mark.parametrize("option", ["--words", "--eos"])
def test_words_and_line_ends_change_what_is_added(
    run_weft: RunWeft, text: Path, suites: list[str], option: str
) -> None:
    weft.train(text, out="chars", epochs=1, tokenizer="char", **SIZES)
    common = ("syntaxgym", suites[0], "--run", "chars", "--rows", "regions")
    plain, changed = (rows_of(run_weft(*common, *more).out) for more in ([], [option]))
    differ = [a["region_number"] for a, b in zip(plain, changed, strict=True) if a["sum_bits"] != b["sum_bits"]]
    assert set(differ) == ({"6"} if option == "--eos" else {str(n) for n in range(1, 7)})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.json"], "there is no file none.json"),
        (["first.json", "--rows", "items", "--format", "json"], "--rows items is for the format tsv, not for json"),
        (["first.json", "--rows", "item"], '--rows must be one of predictions, items, regions, got \'item\''),
        (["first.json", "--run", "none"], "no run folder at none"),
        (["first.json", "--scores", "none.tsv"], "there is no file none.tsv"),
        (["first.json", "--scores", "short.tsv"], "short.tsv: 'filler': there are no surprisals of item 2, cond"),
        (["first.json", "--scores", "long.tsv"], "long.tsv has more sentences than the suites"),
        (["first.json", "--scores", "other.tsv"], "other.tsv: sentence 1: its token 1, 'You', is not at the place"),
        (["first.json", "more/first.json", "--out", "x"], "would both be written as first.json: evaluate them apart"),
        (["first.json", "--out", "first.json"], "first.json is a file: name a folder for the evaluated suites"),
        (["first.json", "--png", "no/x.png"], "there is no folder no for the picture"),
    ],
)  # fmt: skip
def test_mistakes_are_refused_in_one_line(
    run_weft: RunWeft, trained: Path, suites: list[str], arguments: list[str], message: str
) -> None:
    Path("more").mkdir()
    Path("more/first.json").write_text(Path("first.json").read_text())
    table = surprisal_table("first.json")
    Path("short.tsv").write_text("".join(line for line in table.splitlines(keepends=True) if not line.startswith("4")))
    Path("long.tsv").write_text(surprisal_table("first.json", "5\t1\ta\t1\n"))
    Path("other.tsv").write_text(table.replace("\tI\t", "\tYou\t"))
    if "--scores" not in arguments and "--run" not in arguments:
        arguments = [*arguments, "--run", str(trained)]
    assert message in run_weft("syntaxgym", *arguments).refusal()


@needs_data("syntaxgym")
def test_the_four_real_suites_with_a_small_run(run_weft: RunWeft, trained: Path) -> None:
    names = ("center_embed", "mvrr", "npz_ambig", "number_prep")
    paths = [DATA / "syntaxgym" / f"{name}.json" for name in names]
    rows = rows_of(run_weft("syntaxgym", *paths, "--run", trained).out)
    assert [row["suite"] for row in rows if row["prediction_id"] == "all"] == list(names)
    assert [row["items"] for row in rows if row["prediction_id"] == "all"] == ["28", "28", "24", "19"]


@needs_data("syntaxgym")
def test_the_table_of_another_model_gives_the_numbers_of_syntaxgym(run_weft: RunWeft) -> None:
    folder = DATA / "syntaxgym"
    arguments = ("--scores", folder / "oracle_test_surp_grnn.txt", "--format", "json")
    found = json.loads(run_weft("syntaxgym", folder / "oracle_test_in.json", *arguments).out)
    expected = json.loads((folder / "oracle_test_out_grnn.json").read_text())
    for item, other in zip(found["items"], expected["items"], strict=True):
        for condition, other_condition in zip(item["conditions"], other["conditions"], strict=True):
            for region, other_region in zip(condition["regions"], other_condition["regions"], strict=True):
                assert region["metric_value"] == pytest.approx(other_region["metric_value"], abs=1e-6)

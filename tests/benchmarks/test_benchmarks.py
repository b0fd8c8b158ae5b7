"""The command of the benchmarks: every part runs, and what it writes is what the README's tables are made of."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import ROOT, memory_process, scoring, start, streaming
from benchmarks.__main__ import main
from benchmarks.contender import Contender
from benchmarks.large_vocabulary import OUTPUTS, shares_of_full
from benchmarks.parts import PARTS, chosen
from benchmarks.plot import PER_TOKEN, draw
from benchmarks.readme import BEGIN, END, README, RESULTS, all_figures, section, with_figures
from benchmarks.row import RATIO, UNITS
from benchmarks.setting import Setting
from benchmarks.training_steps import contenders, unrolled_contender
from weft.errors import InputError

TINY = Setting(tiny=True)


def test_the_smallest_setting_has_a_figure_or_a_reason_for_everyone(tmp_path: Path) -> None:
    report, picture = tmp_path / "figures.json", tmp_path / "figures.png"
    # What torch.compile builds takes a minute; `test_benchmark_compiled` has that.
    setting = ["--tiny", "--build-seconds", "0"]
    command = [sys.executable, "-m", "benchmarks", *setting, "--json", str(report), "--plot", str(picture)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    figures = json.loads(report.read_text("utf-8"))
    for part in PARTS:
        assert [row["case"] for row in figures[part.name]] == [case.name for case in part.cases(TINY)]
        assert part.about in run.stdout
    everyone: dict[str, list[Contender[Any]]] = {
        "training": [*contenders(0), unrolled_contender(0)],
        "scoring": scoring.contenders(0),
        "streaming": streaming.contenders(0),
        "memory": memory_process.CONTENDERS,
        "growth": contenders(0),
    }
    for part_name, expected in everyone.items():
        row = figures[part_name][0]
        measured = next(row[unit] for unit in (*UNITS, "peak_megabytes") if unit in row)
        assert sorted([*measured, *row["missing"]]) == sorted(contender.name for contender in expected)
    (training,) = figures["training"]
    assert training["products_share_of_sgemm_rate"].keys() == training["milliseconds_per_step"].keys()
    working = figures["memory"][0]["working_megabytes_above_parameters"]
    assert {"weft plain", "PyTorch f32"} <= working.keys()
    assert {row["axis"] for row in figures["growth"]} == set("VHTN")
    assert {"processor", "cores", "python", "versions", "sgemm_gflop_per_second"} <= figures["machine"].keys()
    for measured in ("milliseconds_per_step", "tokens_per_second", "microseconds_per_token", "peak_megabytes"):
        rows = [row for part in PARTS for row in figures[part.name] if measured in row]
        assert rows
        assert all(value > 0 for row in rows for value in row[measured].values())
    assert picture.read_bytes().startswith(b"\x89PNG")
    tables = section(figures)
    for title in ("training step", "scoring", "one token", "sessions together", "peak memory", "cold start", "µs a"):
        assert title in tables


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["training"], {"training": ["tiny"]}),
        (["start", "growth/V=20"], {"start": ["cold start"], "growth": ["V=20"]}),
        (["growth/T=*"], {"growth": ["T=2", "T=4"]}),
    ],
)
def test_names_choose_parts_and_cases(names: list[str], expected: dict[str, list[str]]) -> None:
    assert {part.name: [case.name for case in cases] for part, cases in chosen(names, TINY)} == expected


def test_without_names_everything_is_measured() -> None:
    assert [part for part, _cases in chosen([], TINY)] == PARTS


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"no benchmark 'trainin'.*training"):
        chosen(["trainin"], TINY)


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["--tiny", "--json", str(tmp_path / "nowhere" / "figures.json")])
    answer = capsys.readouterr()
    assert answer.out == ""
    assert "there is no folder for" in answer.err


def test_processes_of_the_cold_start_keep_compiled_modules_as_installed_ones_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert start.output([sys.executable, "-c", "import sys; print(sys.dont_write_bytecode)"]) == "False\n"


ABOUT = {"processor": "a processor", "cores": 2, "versions": {"numpy": "2.0"}, "sgemm_gflop_per_second": 100.0}
SHAPE = {"V": 10000, "N": 20, "T": 35, "D": 100, "H": 200, "layers": 2, "cell": "lstm"}
TRAINING = {
    "case": "some",
    "shape": SHAPE,
    "products_share_of_sgemm_rate": {"weft fused": 0.84},
    "milliseconds_per_step": {"weft fused": 40.0, "PyTorch f32": 60.0},
    RATIO: {"weft fused": {"PyTorch f32": 1.5}},
    "missing": {"PyTorch compiled": "there is no compiler"},
}


def test_a_table_has_figures_ratios_shares_and_who_is_missing() -> None:
    text = section({"machine": ABOUT, "note": "On mains power.", "training": [TRAINING]})
    assert "On mains power." in text
    assert "| some | 10,000, 20, 35, 100, 200 ×2, LSTM | 40.0 | 60.0 (1.50) | 84% |" in text
    assert "PyTorch compiled, some: there is no compiler." in text
    assert "peak memory" not in text


def test_only_what_is_between_the_marks_is_replaced() -> None:
    figures = {"machine": ABOUT, "training": [TRAINING]}
    once = with_figures(f"before\n{BEGIN}\nold\n{END}\nafter\n", figures)
    assert once == f"before\n{BEGIN}\n{section(figures)}\n{END}\nafter\n"
    assert with_figures(once, figures) == once
    with pytest.raises(InputError, match="once each"):
        with_figures("no marks", figures)


def test_figures_of_other_machines_come_folded_up_after_those_of_the_reference(tmp_path: Path) -> None:
    for name, title in (("another", "Fast (avx2, vnni)"), ("reference", "Slow")):
        processor, *some = title.rstrip(")").split(" (")
        about = ABOUT | {"processor": processor, "instructions": some[0].split(", ") if some else []}
        tmp_path.joinpath(f"{name}.json").write_text(json.dumps({"machine": about}), "utf-8")
    text = with_figures(f"{BEGIN}\n{END}", *all_figures(tmp_path))
    assert text.index("Slow, ") < text.index("<summary>The same on Fast (avx2, vnni)</summary>\n\nFast (avx2, vnni), ")


def test_the_tables_in_the_readme_are_those_of_the_figures() -> None:
    readme = README.read_text("utf-8")
    assert with_figures(readme, *all_figures(RESULTS)) == readme


def test_a_picture_can_be_drawn_of_any_part_alone(tmp_path: Path) -> None:
    for part in (["training"], []):
        draw({name: [TRAINING] for name in part}, tmp_path / "picture.png")
        assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_large_vocabularies_are_measured_for_every_output_layer() -> None:
    rows = shares_of_full(100, "adamw", 0.01)
    assert list(rows) == list(OUTPUTS)
    assert all(milliseconds > 0 for milliseconds, _share in rows.values())
    assert rows["full"][1] == rows["full, tied"][1] == 1


def test_a_plot_leaves_out_what_was_not_measured(tmp_path: Path) -> None:
    figures = all_figures(RESULTS)[0]
    for row in figures["corpus"]:
        row[PER_TOKEN] = {}
    draw(figures, tmp_path / "figures.png")
    assert (tmp_path / "figures.png").read_bytes().startswith(b"\x89PNG")

"""The command `python -m benchmarks`: all parts run, and the documentation's tables are generated from its output."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import benchmarks.pages
import benchmarks.revision
from benchmarks import ROOT, memory_process, scoring, start, streaming
from benchmarks.__main__ import main
from benchmarks.contender import Contender
from benchmarks.large_vocabulary import OUTPUTS, times_and_shares
from benchmarks.pages import all_figures, benchmark_pages, page
from benchmarks.parts import PARTS, selected_cases
from benchmarks.plot import PER_TOKEN, draw
from benchmarks.readme import BEGIN, END, README, TABLE_ROWS, speed_table, with_figures
from benchmarks.revision import kernel_commits_since, revision
from benchmarks.row import RATIO, UNITS
from benchmarks.setting import Setting
from benchmarks.training_steps import contenders, unrolled_contender
from weft.errors import InputError

TINY = Setting(tiny=True)


def test_the_smallest_setting_has_a_figure_or_a_reason_for_each_contender(tmp_path: Path) -> None:
    report, picture = tmp_path / "figures.json", tmp_path / "figures.png"
    # torch.compile takes a minute; `test_compiled` tests it.
    setting = ["--tiny", "--build-seconds", "0"]
    command = [sys.executable, "-m", "benchmarks", *setting, "--json", str(report), "--plot", str(picture)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    figures = json.loads(report.read_text("utf-8"))
    for part in PARTS:
        assert [row["case"] for row in figures[part.name]] == [case.name for case in part.cases(TINY)]
        assert part.about in run.stdout
    contenders_by_part: dict[str, list[Contender[Any]]] = {
        "training": [*contenders(0), unrolled_contender(0)],
        "scoring": scoring.contenders(0),
        "streaming": streaming.contenders(0),
        "memory": memory_process.CONTENDERS,
        "growth": contenders(0),
    }
    for part_name, expected in contenders_by_part.items():
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
    assert figures["measured"] == revision()
    assert picture.read_bytes().startswith(b"\x89PNG")
    tables = page(figures)
    titles = ("Training", "Scoring", "Streaming, one session", "Memory", "Cold start", "Size of the corpus", "Cases")
    for title in titles:
        assert f"\n## {title}\n" in tables


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["training"], {"training": ["tiny"]}),
        (["start", "growth/V=20"], {"start": ["cold start"], "growth": ["V=20"]}),
        (["growth/T=*"], {"growth": ["T=2", "T=4"]}),
    ],
)
def test_names_select_parts_and_cases(names: list[str], expected: dict[str, list[str]]) -> None:
    assert {part.name: [case.name for case in cases] for part, cases in selected_cases(names, TINY)} == expected


def test_without_names_everything_is_measured() -> None:
    assert [part for part, _cases in selected_cases([], TINY)] == PARTS


def test_an_unknown_name_is_an_error_that_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match=r"no benchmark 'trainin'.*training"):
        selected_cases(["trainin"], TINY)


def test_a_missing_output_folder_is_an_error_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["--tiny", "--json", str(tmp_path / "nowhere" / "figures.json")])
    answer = capsys.readouterr()
    assert answer.out == ""
    assert "there is no folder for" in answer.err


def test_processes_of_the_cold_start_write_bytecode(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert start.stdout_of([sys.executable, "-c", "import sys; print(sys.dont_write_bytecode)"]) == "False\n"


ABOUT = {"processor": "a processor", "cores": 2, "versions": {"numpy": "2.0"}, "sgemm_gflop_per_second": 100.0}
MEASURED = {"commit": "0123456789abcdef", "date": "2026-11-27", "changed": False}
SHAPE = {"V": 10000, "N": 20, "T": 35, "D": 100, "H": 200, "layers": 2, "cell": "lstm"}
TRAINING = {
    "case": "some",
    "shape": SHAPE,
    "products_share_of_sgemm_rate": {"weft fused": 0.84},
    "milliseconds_per_step": {"weft fused": 40.0, "PyTorch f32": 60.0},
    RATIO: {"weft fused": {"PyTorch f32": 1.5}},
    "missing": {"PyTorch compiled": "there is no compiler"},
}


def test_a_page_has_figures_ratios_shares_and_reasons_for_missing_figures() -> None:
    text = page({"machine": ABOUT, "note": "On mains power.", "training": [TRAINING]})
    assert text.startswith("# a processor\n")
    assert "On mains power." in text
    assert "| some | 40.0 | 60.0 (1.50) | 84% |" in text
    assert "| training | some | 10,000 | 20 | 35 | 100 | 200 | 2 | LSTM |" in text
    assert "PyTorch compiled, some: there is no compiler." in text
    assert "## Memory" not in text


@pytest.mark.parametrize(
    ("commits", "expected"),
    [
        (0, "Measured on 2026-11-27 at commit 0123456. The kernels have not changed since."),
        (1, "Measured at an older commit: 1 commit has changed the kernels since."),
        (7, "Measured at an older commit: 7 commits have changed the kernels since."),
        (None, "is unknown: this build has no git history."),
    ],
)
def test_a_page_says_whether_the_kernels_have_changed_since(
    commits: int | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmarks.pages, "kernel_commits_since", lambda commit: commits)
    assert expected in page({"machine": ABOUT, "measured": MEASURED})


def test_a_page_without_a_commit_says_so() -> None:
    assert "It is not recorded at which commit" in page({"machine": ABOUT, "measured": None})


def test_without_git_there_is_no_revision(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(benchmarks.revision, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert revision() is None
    assert kernel_commits_since("HEAD") is None
    monkeypatch.setenv("PATH", "")
    assert revision() is None


def test_only_commits_that_touch_the_kernels_are_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(benchmarks.revision, "ROOT", tmp_path)
    commits = []
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    for name in ("readme.md", f"{benchmarks.revision.KERNELS}/kernel.py", "notes.md"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, "utf-8")
        subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *identity, "commit", "--quiet", "--message", name], cwd=tmp_path, check=True)
        found = revision()
        assert found is not None
        commits.append(found["commit"])
    assert [kernel_commits_since(commit) for commit in commits] == [1, 0, 0]
    (tmp_path / "notes.md").write_text("changed", "utf-8")
    assert (revision() or {})["changed"]


def test_only_the_text_between_the_markers_is_replaced() -> None:
    figures = {"machine": ABOUT, "training": [TRAINING]}
    once = with_figures(f"before\n{BEGIN}\nold\n{END}\nafter\n", figures)
    assert once == f"before\n{BEGIN}\n{speed_table(figures)}\n{END}\nafter\n"
    assert with_figures(once, figures) == once
    with pytest.raises(InputError, match="once each"):
        with_figures("no markers", figures)


def test_the_speed_table_names_the_fastest_other_library() -> None:
    step = TRAINING | {
        "case": "seed",
        "milliseconds_per_step": {"weft fused": 4.0, "weft plain": 1.0, "PyTorch f32": 6.0, "PyTorch bf16": 5.0},
    }
    streams = {"case": "word-200, batch 16", "tokens_per_second": {"ONNX f32": 200.0, "PyTorch f32": 100.0}}
    text = speed_table({"machine": ABOUT, "measured": MEASURED, "training": [step], "streaming": [streams]})
    assert "| 4.00 ms | — | — | 6.00 ms (PyTorch f32) | 5.00 ms (PyTorch bf16) |" in text
    assert "| — | — | — | 200 tokens/s (ONNX f32) | 200 tokens/s (ONNX f32) |" in text
    assert text.endswith("a processor, 2 cores, commit 0123456 of 2026-11-27.")


def test_pages_are_named_after_their_files_the_reference_machine_first(tmp_path: Path) -> None:
    for name in ("another", "reference"):
        about = ABOUT | {"processor": name, "instructions": ["avx2", "vnni"] if name == "another" else []}
        tmp_path.joinpath(f"{name}.json").write_text(json.dumps({"machine": about}), "utf-8")
    pages = benchmark_pages(tmp_path)
    assert list(pages) == ["reference", "another"]
    assert pages["another"].startswith("# another (avx2, vnni)\n")


def test_the_table_in_the_readme_matches_the_figures() -> None:
    readme, reference = README.read_text("utf-8"), all_figures()["reference"]
    assert with_figures(readme, reference) == readme
    assert speed_table(reference).count("\n| ") == len(TABLE_ROWS) + 1


def test_each_part_can_be_plotted_alone(tmp_path: Path) -> None:
    for part in (["training"], []):
        draw({name: [TRAINING] for name in part}, tmp_path / "picture.png")
        assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_large_vocabularies_are_measured_for_every_output_layer() -> None:
    rows = times_and_shares(100, "adamw", 0.01)
    assert list(rows) == list(OUTPUTS)
    assert all(milliseconds > 0 for milliseconds, _share in rows.values())
    assert rows["full"][1] == rows["full, tied"][1] == 1


def test_a_plot_omits_parts_that_were_not_measured(tmp_path: Path) -> None:
    figures = all_figures()["reference"]
    for row in figures["corpus"]:
        row[PER_TOKEN] = {}
    draw(figures, tmp_path / "figures.png")
    assert (tmp_path / "figures.png").read_bytes().startswith(b"\x89PNG")

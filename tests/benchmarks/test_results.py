"""`python -m results`: running recipes, the recorded results, and the table generated from them."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import results.running
import weft.runs.recipes
from helpers.command_line import contents, names, small_settings, write_text
from results import RESULTS
from results.__main__ import main
from results.readme import BEGIN, END, README, short_table, table, with_results
from results.record import (
    RECORD,
    Evaluation,
    Result,
    read_result,
    read_results,
    settings_in,
    write_result,
)
from results.running import Runner
from weft.config.toml import read_config
from weft.errors import InputError
from weft.runs.recipes import find_recipe, recipe_names
from weft.training import read_metrics

RECIPE = """
[recipe]
about = "A small one"
measure = "test perplexity"
expected = 11.0
tolerance = 2.0
minutes = 0.02
""" + small_settings("words.txt", "rnn")
VARIANT = """
[[recipe.variant]]
name = "in 8 bits"
options = ["--weights", "int8"]
expected = 11.0
tolerance = 2.0
"""
MACHINE = {"processor": "a processor", "cores": 2, "versions": {"weft": "1"}}
TABLE_HEAD = "| recipe | what it is | measure | expected | reached | time | machine |\n|" + " --- |" * 7


def make_runner(folder: Path, weft: tuple[str, ...] = ()) -> Runner:
    """A runner that finds its recipes in `folder / "recipes"`."""
    (folder / "recipes").mkdir(parents=True, exist_ok=True)
    write_text(folder / "words.txt", 60)
    recipes = str(folder / "recipes")
    program = (
        f"import pathlib, weft.runs.recipes\nweft.runs.recipes.recipes_folder = lambda: pathlib.Path({recipes!r})\n"
        "from weft.commands.cli import main\nmain()"
    )
    return Runner(folder, folder / "results", weft or (sys.executable, "-c", program))


def use_recipes_of(folder: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(weft.runs.recipes, "recipes_folder", lambda: folder / "recipes")


def write_recipe(folder: Path, text: str, name: str = "small") -> None:
    (folder / "recipes").mkdir(parents=True, exist_ok=True)
    (folder / "recipes" / f"{name}.toml").write_text(text, "utf-8")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """The recipes `first`, without held-out text, and `small`, run one after the other."""
    folder = tmp_path_factory.mktemp("session")
    runner = make_runner(folder)
    write_recipe(folder, RECIPE + VARIANT)
    of_training = RECIPE.replace("test perplexity", "training perplexity").replace("_fraction = 0.1", "_fraction = 0.0")
    write_recipe(folder, of_training, "first")
    with pytest.MonkeyPatch.context() as patch:
        use_recipes_of(folder, patch)
        patch.setattr(results.running, "description", lambda: MACHINE)
        main(["run", "first", "small", "--with", "seed=3"], runner)
    return runner


def test_a_result_has_files_that_are_readable_without_weft(session: Runner) -> None:
    assert names(session.results) == ["first+seed=3", "small+seed=3"]
    recorded = session.results / "small+seed=3"
    assert names(recorded) == ["config.toml", "curve.png", "metrics.jsonl", "recipe.toml", "result.json"]
    run = session.start / "runs" / "results" / "small+seed=3"
    for name in ("config.toml", "curve.png", "metrics.jsonl"):
        assert (recorded / name).read_bytes() == (run / name).read_bytes()
    assert (recorded / "recipe.toml").read_bytes() == (session.start / "recipes" / "small.toml").read_bytes()
    assert read_config(recorded / "config.toml").training.seed == 3


def test_the_record_has_commands_times_and_printed_rows(session: Runner) -> None:
    values: dict[str, Any] = json.loads((session.results / "small+seed=3" / RECORD).read_text("utf-8"))
    run = "runs/results/small+seed=3"
    assert values["command"] == f"weft train --recipe small --out {run} --seed 3"
    evaluations = values["evaluations"]
    assert [evaluation["command"] for evaluation in evaluations] == [
        f"weft eval --run {run} --split {split}{options}"
        for options in ("", " --weights int8")
        for split in ("valid", "test")
    ]
    for evaluation in evaluations:
        rows = evaluation["rows"]
        assert {"tokens", "oov_tokens", "bits_per_token", "perplexity_excluding_oov"} <= rows.keys()
        assert rows["perplexity_including_oov"] == pytest.approx(2 ** rows["bits_per_token"], rel=1e-4)
        assert evaluation["seconds"] > 0
    plain, rounded = (evaluation["rows"] for evaluation in evaluations if evaluation["split"] == "test")
    assert values["reached"] == plain["perplexity_including_oov"] != rounded["perplexity_including_oov"]
    assert 0 < values["training_seconds"] < values["seconds"]
    assert {"processor", "cores", "versions"} <= values["machine"].keys()


def test_a_training_perplexity_is_that_of_the_last_epoch(session: Runner) -> None:
    result = read_result(session.results / "first+seed=3")
    *_, last = read_metrics(session.results / result.name / "metrics.jsonl")
    assert (result.reached, result.measure) == (last.train_perplexity, "training perplexity")
    assert result.evaluations == []


def test_a_result_records_the_times_of_the_trainings_before_it(session: Runner) -> None:
    first, small = read_results(session.results)
    assert first.earlier == {}
    assert small.earlier == {"first+seed=3": first.seconds}


def test_a_result_is_unchanged_by_reading_and_writing(session: Runner) -> None:
    folder = session.results / "small+seed=3"
    before = contents(folder)
    with pytest.MonkeyPatch.context() as patch:
        use_recipes_of(session.start, patch)
        write_result(
            session.results, read_result(folder), find_recipe("small"), session.start / "runs/results/small+seed=3"
        )
    assert contents(folder) == before
    assert names(session.results) == ["first+seed=3", "small+seed=3"]


def test_evaluations_can_be_repeated_without_training(
    session: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(results.running, "description", lambda: MACHINE)
    use_recipes_of(tmp_path, monkeypatch)
    shutil.copytree(session.start, tmp_path, dirs_exist_ok=True)
    before = read_result(session.results / "small+seed=3")
    rows = "perplexity_including_oov\\t7.5\\nperplexity_excluding_oov\\t"
    runner = make_runner(tmp_path, (sys.executable, "-c", f"print('{rows}')"))
    write_recipe(tmp_path, RECIPE + VARIANT.replace("int8", "bfloat16"))
    main(["evaluate", "small+seed=3"], runner)
    after = read_result(runner.results / "small+seed=3")
    assert (after.command, after.seconds, after.reached) == (before.command, before.seconds, 7.5)
    assert after.evaluation("test", ["--weights", "int8"]) is None
    again = after.evaluation("test", ["--weights", "bfloat16"])
    assert again is not None
    assert again.rows == {"perplexity_including_oov": 7.5, "perplexity_excluding_oov": None}
    monkeypatch.setattr(results.running, "description", lambda: {**MACHINE, "cores": 4})
    assert "was measured on another machine, cores 2, not 4" in error_message(
        ["evaluate", "small+seed=3"], runner, capsys
    )
    (tmp_path / "runs/results/small+seed=3/metrics.jsonl").write_text("", "utf-8")
    assert "is not the run that gave the result" in error_message(["evaluate", "small+seed=3"], runner, capsys)
    write_recipe(tmp_path, RECIPE.replace("lr = 0.01", "lr = 0.02"))
    assert "the settings of recipe small have changed (lr)" in error_message(
        ["evaluate", "small+seed=3"], runner, capsys
    )


def error_message(
    arguments: list[str], runner: Runner, capsys: pytest.CaptureFixture[str], readme: Path = README
) -> str:
    """The message of a command that fails with exit code 2."""
    with pytest.raises(SystemExit) as raised:
        main(arguments, runner, readme)
    assert raised.value.code == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith("results: ")
    return message.removeprefix("results: ")


def printing(answer: str, code: int = 0) -> tuple[str, ...]:
    """A command in place of `weft` that always prints the same on standard error."""
    return sys.executable, "-c", f"import sys; print({answer!r}, file=sys.stderr); sys.exit({code})"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "smal"], "there is no recipe 'smal' (did you mean \"small\"?)"),
        (["run", "small", "--with", "lr=1"], "a recipe cannot be run with another lr; use one of kernels"),
        (["run", "small", "--with", "kernels"], "--with takes SETTING=VALUE, for example kernels=plain; got 'kernels'"),
        (["run", "small"], "`weft train --recipe small --out runs/results/small` failed with exit code 3"),
        (["evaluate", "small"], "there is no result at"),
    ],
)
def test_a_failed_command_is_an_error_and_records_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    expected: str,
) -> None:
    use_recipes_of(tmp_path, monkeypatch)
    write_recipe(tmp_path, RECIPE)
    assert error_message(arguments, make_runner(tmp_path, printing("", 3)), capsys).startswith(expected)
    assert not (tmp_path / "results").exists()


def test_unknown_options_of_a_variant_are_an_error_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use_recipes_of(tmp_path, monkeypatch)
    write_recipe(tmp_path, RECIPE + VARIANT.replace("--weights", "--wieghts"))
    assert error_message(["run", "small"], make_runner(tmp_path), capsys).startswith(
        "recipe small, variant 'in 8 bits': weft: "
    )
    assert not (tmp_path / "runs").exists()


def test_a_missing_corpus_is_an_error_because_its_download_would_be_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WEFT_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    use_recipes_of(tmp_path, monkeypatch)
    write_recipe(tmp_path, RECIPE.replace("words.txt", "ptb"))
    message = error_message(["run", "small"], make_runner(tmp_path, printing("")), capsys)
    assert message == (
        "recipe small needs the corpus ptb, which is not downloaded; download it first, so that the recorded time "
        "excludes the download: weft data ptb"
    )


def evaluation(value: float, *options: str) -> Evaluation:
    return Evaluation("test", options, "weft eval …", 4.0, {"tokens": 10, "perplexity_including_oov": value})


def result(reached: float, *, changed: dict[str, str] | None = None, variants: tuple[Evaluation, ...] = ()) -> Result:
    evaluations = [evaluation(reached), *variants]
    return Result(
        "small", changed or {}, "test perplexity", reached, "weft train …", 120, 100, {}, evaluations, MACHINE
    )


@pytest.fixture
def run_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the recipe `small`, its variant, and empty files of a run."""
    use_recipes_of(tmp_path, monkeypatch)
    write_recipe(tmp_path, RECIPE + VARIANT)
    for name in ("config.toml", "metrics.jsonl", "curve.png"):
        (tmp_path / name).write_text("", "utf-8")
    return tmp_path


def put(folder: Path, *results: Result) -> None:
    for each in results:
        write_result(folder / "results", each, find_recipe("small"), folder)


def rows(folder: Path) -> list[str]:
    """The rows of the table below its head."""
    text = table(folder / "results")
    assert text.startswith(TABLE_HEAD)
    return text.splitlines()[2:]


def test_a_recipe_without_a_result_has_no_figure(run_files: Path) -> None:
    assert rows(run_files) == [
        "| [small](recipes/small.toml) | A small one | test perplexity | 11 ± 2 | **not yet run** |  |  |",
        "| … in 8 bits | `weft eval --weights int8` | test perplexity | 11 ± 2 | **not yet run** |  |  |",
    ]


@pytest.mark.parametrize(
    ("reached", "comparison"),
    [(12.25, "12.25, as expected"), (8.5, "8.5, better than expected"), (13.5, "13.5, **worse than expected**")],
)
def test_a_row_has_the_expected_and_the_reached_value(run_files: Path, reached: float, comparison: str) -> None:
    put(run_files, result(reached, variants=(evaluation(reached, "--weights", "int8"),)))
    plain, variant = rows(run_files)
    assert plain == (
        f"| [small](results/small) | A small one | test perplexity | 11 ± 2 | {comparison} | 2 minutes "
        "| a processor, 2 cores |"
    )
    assert variant == (
        f"| … in 8 bits | `weft eval --weights int8` | test perplexity | 11 ± 2 | {comparison} | 4 seconds "
        "| a processor, 2 cores |"
    )


def test_an_evaluation_with_other_options_does_not_count_for_the_variant(run_files: Path) -> None:
    put(run_files, result(11, variants=(evaluation(11, "--weights", "bfloat16"),)))
    _plain, variant = rows(run_files)
    assert "not yet run" in variant


def test_a_result_of_changed_settings_has_a_separate_row(run_files: Path) -> None:
    put(run_files, result(11, changed={"kernels": "plain", "seed": "2"}))
    recipe, _variant, changed, _changed_variant = rows(run_files)
    assert "not yet run" in recipe
    assert changed.startswith(
        "| [small+kernels=plain+seed=2](results/small+kernels=plain+seed=2) | A small one, kernels"
    )
    assert "not yet run" not in changed
    put(run_files, result(11))
    assert len(rows(run_files)) == 4


def test_a_row_has_the_times_of_earlier_trainings(run_files: Path) -> None:
    put(run_files, replace(result(11), earlier={"slow": 300.0}))
    assert "| 2 minutes; slow in the same session: 5 minutes |" in rows(run_files)[0]


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ("lr = 0.01", "lr = 0.02", "(lr)"),
        ('schedule = "constant"', "", "(schedule)"),
        ("[training]", "[training]\nclip = 1.0", "(clip)"),
    ],
)
def test_a_result_is_out_of_date_if_the_recipes_settings_have_changed(
    run_files: Path, before: str, after: str, changed: str
) -> None:
    put(run_files, result(11, variants=(evaluation(11, "--weights", "int8"),)))
    write_recipe(run_files, (RECIPE + VARIANT).replace(before, after))
    plain, variant = rows(run_files)
    assert f"11, **out of date: settings of the recipe have changed {changed}** |" in plain
    assert "11, **out of date: settings of the recipe have changed** |" in variant
    assert "as expected" not in plain + variant


def test_the_expected_value_can_change_without_a_new_run(run_files: Path) -> None:
    put(run_files, result(11))
    write_recipe(run_files, RECIPE.replace("expected = 11.0", "expected = 8.0"))
    assert "| 8 ± 2 | 11, **worse than expected** |" in rows(run_files)[0]


def test_a_result_without_a_recipe_is_an_error(run_files: Path) -> None:
    put(run_files, result(11))
    (run_files / "recipes" / "small.toml").rename(run_files / "recipes" / "other.toml")
    with pytest.raises(InputError, match=r"result.json belongs to an unknown recipe: small"):
        table(run_files / "results")


def test_a_damaged_result_is_an_error_that_names_the_file(run_files: Path) -> None:
    put(run_files, result(11))
    record = run_files / "results" / "small" / RECORD
    record.write_text(record.read_text("utf-8").replace('"seconds"', '"secs"'), "utf-8")
    with pytest.raises(InputError, match=r"small.result.json is not the record of a run"):
        read_results(run_files / "results")


def test_a_result_in_a_folder_of_another_name_is_an_error(run_files: Path) -> None:
    put(run_files, result(11))
    (run_files / "results" / "small").rename(run_files / "results" / "best")
    with pytest.raises(InputError, match="best holds the result small"):
        read_results(run_files / "results")


def test_a_result_is_replaced_as_a_whole_or_not_at_all(run_files: Path) -> None:
    put(run_files, result(11))
    before = contents(run_files / "results")
    (run_files / "curve.png").unlink()
    with pytest.raises(FileNotFoundError):
        put(run_files, result(12))
    assert {path: content for path, content in contents(run_files / "results").items() if path in before} == before
    assert [each.reached for each in read_results(run_files / "results")] == [11]
    (run_files / "curve.png").write_text("", "utf-8")
    put(run_files, result(12))
    assert names(run_files / "results") == ["small"]
    assert [each.reached for each in read_results(run_files / "results")] == [12]


def test_the_table_is_written_between_its_markers_and_checked(
    run_files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    readme, runner = run_files / "README.md", Runner(run_files, run_files / "results")
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", "utf-8")
    put(run_files, result(11))
    message = error_message(["table", "--check"], runner, capsys, readme)
    assert message.startswith(f"the table in {readme} is out of date")
    assert "old" in readme.read_text("utf-8")
    main(["table"], runner, readme)
    assert readme.read_text("utf-8") == f"before\n{BEGIN}\n{short_table(runner.results)}\n{END}\nafter\n"
    main(["table", "--check"], runner, readme)


def test_the_short_table_has_one_row_per_recipe_with_unchanged_settings(run_files: Path) -> None:
    put(run_files, result(11))
    put(run_files, replace(result(12), changed={"seed": "2"}))
    lines = short_table(run_files / "results").splitlines()
    assert [line.count(" | ") for line in lines] == [5] * len(lines)
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| [small](results/small)"]


def test_the_table_in_the_readme_matches_the_results() -> None:
    readme = README.read_text("utf-8")
    assert with_results(readme, RESULTS) == readme


@pytest.mark.parametrize("name", recipe_names())
def test_recorded_results_are_consistent(name: str) -> None:
    for each in read_results(RESULTS):
        if each.recipe != name:
            continue
        folder = RESULTS / each.name
        assert shlex.split(each.command)[:4] == ["weft", "train", "--recipe", name]
        assert {"processor", "cores", "versions"} <= each.machine.keys()
        if each.measure == "training perplexity":
            *_, last = read_metrics(folder / "metrics.jsonl")
            assert each.reached == last.train_perplexity
        else:
            evaluated = each.evaluation("test")
            assert evaluated is not None
            assert each.reached in evaluated.rows.values()
        assert (folder / "curve.png").read_bytes().startswith(b"\x89PNG")
        stated, resolved = (settings_in(folder / file) for file in ("recipe.toml", "config.toml"))
        changed = [setting for setting, value in stated.items() if resolved[setting] != value]
        assert set(changed) <= each.changed.keys()

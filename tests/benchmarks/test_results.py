"""`python -m results`: recipes run as a person runs them, what is kept of it, and the table made of that."""

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
from results.running import Workplace
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


def workplace(folder: Path, weft: tuple[str, ...] = ()) -> Workplace:
    """A place of which the recipes are those in `folder / "recipes"`."""
    (folder / "recipes").mkdir(parents=True, exist_ok=True)
    write_text(folder / "words.txt", 60)
    recipes = str(folder / "recipes")
    program = (
        f"import pathlib, weft.runs.recipes\nweft.runs.recipes.recipes_folder = lambda: pathlib.Path({recipes!r})\n"
        "from weft.commands.cli import main\nmain()"
    )
    return Workplace(folder, folder / "results", weft or (sys.executable, "-c", program))


def use_recipes_of(folder: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(weft.runs.recipes, "recipes_folder", lambda: folder / "recipes")


def write_recipe(folder: Path, text: str, name: str = "small") -> None:
    (folder / "recipes").mkdir(parents=True, exist_ok=True)
    (folder / "recipes" / f"{name}.toml").write_text(text, "utf-8")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """The recipes `first`, which has nothing held out, and `small`, run one after the other."""
    folder = tmp_path_factory.mktemp("session")
    place = workplace(folder)
    write_recipe(folder, RECIPE + VARIANT)
    of_training = RECIPE.replace("test perplexity", "training perplexity").replace("_fraction = 0.1", "_fraction = 0.0")
    write_recipe(folder, of_training, "first")
    with pytest.MonkeyPatch.context() as patch:
        use_recipes_of(folder, patch)
        patch.setattr(results.running, "description", lambda: MACHINE)
        main(["run", "first", "small", "--with", "seed=3"], place)
    return place


def test_a_run_leaves_what_can_be_read_without_weft(session: Workplace) -> None:
    assert names(session.results) == ["first+seed=3", "small+seed=3"]
    kept = session.results / "small+seed=3"
    assert names(kept) == ["config.toml", "curve.png", "metrics.jsonl", "recipe.toml", "result.json"]
    run = session.start / "runs" / "results" / "small+seed=3"
    for name in ("config.toml", "curve.png", "metrics.jsonl"):
        assert (kept / name).read_bytes() == (run / name).read_bytes()
    assert (kept / "recipe.toml").read_bytes() == (session.start / "recipes" / "small.toml").read_bytes()
    assert read_config(kept / "config.toml").training.seed == 3


def test_the_record_has_commands_times_and_the_rows_printed(session: Workplace) -> None:
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


def test_a_training_perplexity_is_that_of_the_last_epoch(session: Workplace) -> None:
    result = read_result(session.results / "first+seed=3")
    *_, last = read_metrics(session.results / result.name / "metrics.jsonl")
    assert (result.reached, result.measure) == (last.train_perplexity, "training perplexity")
    assert result.evaluations == []


def test_a_result_knows_the_time_of_the_trainings_before_it(session: Workplace) -> None:
    first, small = read_results(session.results)
    assert first.earlier == {}
    assert small.earlier == {"first+seed=3": first.seconds}


def test_what_was_read_back_is_what_was_written(session: Workplace) -> None:
    folder = session.results / "small+seed=3"
    before = contents(folder)
    with pytest.MonkeyPatch.context() as patch:
        use_recipes_of(session.start, patch)
        write_result(
            session.results, read_result(folder), find_recipe("small"), session.start / "runs/results/small+seed=3"
        )
    assert contents(folder) == before
    assert names(session.results) == ["first+seed=3", "small+seed=3"]


def test_evaluations_can_be_done_again_without_training(
    session: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(results.running, "description", lambda: MACHINE)
    use_recipes_of(tmp_path, monkeypatch)
    shutil.copytree(session.start, tmp_path, dirs_exist_ok=True)
    before = read_result(session.results / "small+seed=3")
    rows = "perplexity_including_oov\\t7.5\\nperplexity_excluding_oov\\t"
    place = workplace(tmp_path, (sys.executable, "-c", f"print('{rows}')"))
    write_recipe(tmp_path, RECIPE + VARIANT.replace("int8", "bfloat16"))
    main(["evaluate", "small+seed=3"], place)
    after = read_result(place.results / "small+seed=3")
    assert (after.command, after.seconds, after.reached) == (before.command, before.seconds, 7.5)
    assert after.evaluation("test", ["--weights", "int8"]) is None
    again = after.evaluation("test", ["--weights", "bfloat16"])
    assert again is not None
    assert again.rows == {"perplexity_including_oov": 7.5, "perplexity_excluding_oov": None}
    monkeypatch.setattr(results.running, "description", lambda: {**MACHINE, "cores": 4})
    assert "is of another machine, cores 2, here 4" in refusal(["evaluate", "small+seed=3"], place, capsys)
    (tmp_path / "runs/results/small+seed=3/metrics.jsonl").write_text("", "utf-8")
    assert "is not the run that gave the result" in refusal(["evaluate", "small+seed=3"], place, capsys)
    write_recipe(tmp_path, RECIPE.replace("lr = 0.01", "lr = 0.02"))
    assert "other settings by now (lr)" in refusal(["evaluate", "small+seed=3"], place, capsys)


def refusal(arguments: list[str], place: Workplace, capsys: pytest.CaptureFixture[str], readme: Path = README) -> str:
    """What the command says when it ends with a mistake."""
    with pytest.raises(SystemExit) as ended:
        main(arguments, place, readme)
    assert ended.value.code == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("results: ")
    return said.removeprefix("results: ")


def saying(answer: str, code: int = 0) -> tuple[str, ...]:
    """A command in the place of `weft` that answers to everything alike."""
    return sys.executable, "-c", f"import sys; print({answer!r}, file=sys.stderr); sys.exit({code})"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["run", "smal"], "there is no recipe 'smal' (did you mean \"small\"?)"),
        (["run", "small", "--with", "lr=1"], "lr would make of a recipe another one; what can be changed is kernels"),
        (["run", "small", "--with", "kernels"], "--with takes SETTING=VALUE, as kernels=plain; got 'kernels'"),
        (["run", "small"], "`weft train --recipe small --out runs/results/small` ended with exit code 3"),
        (["evaluate", "small"], "there is no result at"),
    ],
)
def test_what_cannot_be_run_is_refused_and_leaves_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    complaint: str,
) -> None:
    use_recipes_of(tmp_path, monkeypatch)
    write_recipe(tmp_path, RECIPE)
    assert refusal(arguments, workplace(tmp_path, saying("", 3)), capsys).startswith(complaint)
    assert not (tmp_path / "results").exists()


def test_options_that_weft_eval_does_not_know_are_refused_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use_recipes_of(tmp_path, monkeypatch)
    write_recipe(tmp_path, RECIPE + VARIANT.replace("--weights", "--wieghts"))
    assert refusal(["run", "small"], workplace(tmp_path), capsys).startswith(
        "recipe small, variant 'in 8 bits': weft: "
    )
    assert not (tmp_path / "runs").exists()


def test_a_corpus_is_to_be_here_so_that_fetching_is_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WEFT_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    use_recipes_of(tmp_path, monkeypatch)
    write_recipe(tmp_path, RECIPE.replace("words.txt", "ptb"))
    said = refusal(["run", "small"], workplace(tmp_path, saying("")), capsys)
    assert said == (
        "recipe small needs the corpus ptb, which is not here; fetch it, so that the fetching is not counted: "
        "weft data ptb"
    )


def evaluation(value: float, *options: str) -> Evaluation:
    return Evaluation("test", options, "weft eval …", 4.0, {"tokens": 10, "perplexity_including_oov": value})


def result(reached: float, *, changed: dict[str, str] | None = None, variants: tuple[Evaluation, ...] = ()) -> Result:
    evaluations = [evaluation(reached), *variants]
    return Result(
        "small", changed or {}, "test perplexity", reached, "weft train …", 120, 100, {}, evaluations, MACHINE
    )


@pytest.fixture
def made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the recipe `small` and its variant, and files that stand for a run."""
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


def test_a_recipe_that_was_not_run_has_no_figure(made_up: Path) -> None:
    assert rows(made_up) == [
        "| [small](recipes/small.toml) | A small one | test perplexity | 11 ± 2 | **not yet run** |  |  |",
        "| … in 8 bits | `weft eval --weights int8` | test perplexity | 11 ± 2 | **not yet run** |  |  |",
    ]


@pytest.mark.parametrize(
    ("reached", "how"),
    [(12.25, "12.25, as expected"), (8.5, "8.5, better than expected"), (13.5, "13.5, **worse than expected**")],
)
def test_what_was_reached_stands_beside_what_was_expected(made_up: Path, reached: float, how: str) -> None:
    put(made_up, result(reached, variants=(evaluation(reached, "--weights", "int8"),)))
    plain, variant = rows(made_up)
    assert plain == (
        f"| [small](results/small) | A small one | test perplexity | 11 ± 2 | {how} | 2 minutes "
        "| a processor, 2 cores |"
    )
    assert variant == (
        f"| … in 8 bits | `weft eval --weights int8` | test perplexity | 11 ± 2 | {how} | 4 seconds "
        "| a processor, 2 cores |"
    )


def test_a_variant_with_other_options_than_the_recipes_was_not_run(made_up: Path) -> None:
    put(made_up, result(11, variants=(evaluation(11, "--weights", "bfloat16"),)))
    _plain, variant = rows(made_up)
    assert "not yet run" in variant


def test_a_result_of_changed_settings_has_a_row_of_its_own_and_does_not_stand_for_the_recipe(made_up: Path) -> None:
    put(made_up, result(11, changed={"kernels": "plain", "seed": "2"}))
    recipe, _variant, changed, _its_variant = rows(made_up)
    assert "not yet run" in recipe
    assert changed.startswith(
        "| [small+kernels=plain+seed=2](results/small+kernels=plain+seed=2) | A small one, kernels"
    )
    assert "not yet run" not in changed
    put(made_up, result(11))
    assert len(rows(made_up)) == 4


def test_the_time_of_an_earlier_training_stands_beside_the_time(made_up: Path) -> None:
    put(made_up, replace(result(11), earlier={"slow": 300.0}))
    assert "| 2 minutes; slow right before it: 5 minutes |" in rows(made_up)[0]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("lr = 0.01", "lr = 0.02", "(lr)"),
        ('schedule = "constant"', "", "(schedule)"),
        ("[training]", "[training]\nclip = 1.0", "(clip)"),
    ],
)
def test_a_result_of_settings_that_were_changed_since_does_not_count(
    made_up: Path, before: str, after: str, said: str
) -> None:
    put(made_up, result(11, variants=(evaluation(11, "--weights", "int8"),)))
    write_recipe(made_up, (RECIPE + VARIANT).replace(before, after))
    plain, variant = rows(made_up)
    assert f"11, **with other settings than the recipe's of now {said}** |" in plain
    assert "11, **after other settings than the recipe's of now** |" in variant
    assert "as expected" not in plain + variant


def test_what_is_expected_can_be_changed_without_a_new_run(made_up: Path) -> None:
    put(made_up, result(11))
    write_recipe(made_up, RECIPE.replace("expected = 11.0", "expected = 8.0"))
    assert "| 8 ± 2 | 11, **worse than expected** |" in rows(made_up)[0]


def test_a_result_without_a_recipe_is_refused(made_up: Path) -> None:
    put(made_up, result(11))
    (made_up / "recipes" / "small.toml").rename(made_up / "recipes" / "other.toml")
    with pytest.raises(InputError, match=r"result.json is of a recipe that is not there: small"):
        table(made_up / "results")


def test_a_damaged_result_is_refused_with_its_place(made_up: Path) -> None:
    put(made_up, result(11))
    record = made_up / "results" / "small" / RECORD
    record.write_text(record.read_text("utf-8").replace('"seconds"', '"secs"'), "utf-8")
    with pytest.raises(InputError, match=r"small.result.json is not the record of a run"):
        read_results(made_up / "results")


def test_a_result_in_a_folder_of_another_name_is_refused(made_up: Path) -> None:
    put(made_up, result(11))
    (made_up / "results" / "small").rename(made_up / "results" / "best")
    with pytest.raises(InputError, match="best holds the result small"):
        read_results(made_up / "results")


def test_a_result_is_replaced_as_a_whole_or_not_at_all(made_up: Path) -> None:
    put(made_up, result(11))
    before = contents(made_up / "results")
    (made_up / "curve.png").unlink()
    with pytest.raises(FileNotFoundError):
        put(made_up, result(12))
    assert {path: content for path, content in contents(made_up / "results").items() if path in before} == before
    assert [each.reached for each in read_results(made_up / "results")] == [11]
    (made_up / "curve.png").write_text("", "utf-8")
    put(made_up, result(12))
    assert names(made_up / "results") == ["small"]
    assert [each.reached for each in read_results(made_up / "results")] == [12]


def test_the_table_is_written_between_its_marks_and_checked(made_up: Path, capsys: pytest.CaptureFixture[str]) -> None:
    readme, place = made_up / "README.md", Workplace(made_up, made_up / "results")
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", "utf-8")
    put(made_up, result(11))
    said = refusal(["table", "--check"], place, capsys, readme)
    assert said.startswith(f"the table in {readme} is not that of")
    assert "old" in readme.read_text("utf-8")
    main(["table"], place, readme)
    assert readme.read_text("utf-8") == f"before\n{BEGIN}\n{short_table(place.results)}\n{END}\nafter\n"
    main(["table", "--check"], place, readme)


def test_the_short_table_has_one_row_for_each_recipe_as_it_is(made_up: Path) -> None:
    put(made_up, result(11))
    put(made_up, replace(result(12), changed={"seed": "2"}))
    lines = short_table(made_up / "results").splitlines()
    assert [line.count(" | ") for line in lines] == [5] * len(lines)
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| [small](results/small)"]


def test_the_table_in_the_readme_is_that_of_the_results() -> None:
    readme = README.read_text("utf-8")
    assert with_results(readme, RESULTS) == readme


@pytest.mark.parametrize("name", recipe_names())
def test_what_a_kept_result_says_of_itself_is_so(name: str) -> None:
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

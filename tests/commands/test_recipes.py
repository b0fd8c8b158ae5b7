"""`weft train --recipe` and `weft recipes`: named settings, and the comparison with their expected result."""

from __future__ import annotations

from pathlib import Path

import pytest

import weft.runs.recipes
from helpers.command_line import RunWeft, small_settings, write_text
from weft.config.toml import read_config, read_settings

RECIPE = """
[recipe]
about = "A small one"
measure = "{measure}"
expected = {expected}
tolerance = 1.0
minutes = 0.02
"""

VARIANT = """
[[recipe.variant]]
name = "in 8 bits"
options = ["--weights", "int8"]
expected = 9.5
tolerance = 0.5
"""
TABLE = """
[recipe]
about = "x"
measure = "test perplexity"
expected = 1
tolerance = 1
minutes = 1
"""


@pytest.fixture
def recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the recipe `small`, whose expected result is 9 ± 1."""
    folder = tmp_path / "recipes"
    folder.mkdir()
    monkeypatch.setattr(weft.runs.recipes, "recipes_folder", lambda: folder)
    write(folder, "training perplexity", 9)
    return folder


def write(folder: Path, measure: str, expected: float, further: str = "") -> None:
    text = write_text(folder / "words.txt", 60).as_posix()
    recipe = RECIPE.format(measure=measure, expected=expected) + small_settings(text, "gru")
    (folder / "small.toml").write_text(recipe + further, "utf-8")


def reached(line: str) -> float:
    return float(line.split("reached ")[1].split(",")[0])


def test_a_recipe_is_trained_by_its_name(run_weft: RunWeft, recipes: Path) -> None:
    answer = run_weft("train", "--recipe", "small")
    assert answer.code == 0
    assert "A small one: training perplexity 9 ± 1 in about 2 seconds" in answer.err
    config = read_config(Path("runs/small/config.toml"))
    assert config.model.cell == "gru"
    assert config.training.lr == 0.01
    *_, verdict = answer.out.splitlines()
    assert verdict.startswith("recipe small: reached ")


@pytest.mark.parametrize(
    ("offset", "how"), [(0.5, "as expected"), (3, "better than expected"), (-3, "worse than expected")]
)
def test_the_result_is_compared_with_the_expected_figure(
    run_weft: RunWeft, recipes: Path, offset: float, how: str
) -> None:
    value = reached(run_weft("train", "--recipe", "small").out)
    write(recipes, "training perplexity", value + offset)
    assert f"reached {value:.4g}, {how}: training" in run_weft("train", "--recipe", "small", "--overwrite").out


@pytest.mark.parametrize("measure", ["test perplexity", "test bits per token", "test bits per character"])
def test_the_measure_is_computed_on_its_text(run_weft: RunWeft, recipes: Path, measure: str) -> None:
    write(recipes, measure, 2)
    answer = run_weft("train", "--recipe", "small")
    fields = dict(
        line.split("\t") for line in run_weft("eval", "--split", "test", "--run", "runs/small").out.splitlines()[1:]
    )
    expected = measure.removeprefix("test ").replace(" ", "_").replace("perplexity", "perplexity_including_oov")
    assert reached(answer.out) == pytest.approx(float(fields[expected]), rel=1e-3)


def test_the_figure_does_not_apply_when_options_override_the_recipe(run_weft: RunWeft, recipes: Path) -> None:
    answer = run_weft("train", "--recipe", "small", "--lr", 0.02, "--threads", 1, "--kernels", "fused")
    assert answer.code == 0
    assert answer.out.splitlines()[-1] == "the figure of recipe small does not apply: lr changed"
    assert read_config(Path("runs/small/config.toml")).training.lr == 0.02


def test_another_seed_is_the_same_recipe(run_weft: RunWeft, recipes: Path) -> None:
    assert "recipe small: reached" in run_weft("train", "--recipe", "small", "--seed", 7).out


def test_a_recipe_can_be_used_with_another_text(run_weft: RunWeft, recipes: Path, text: Path) -> None:
    answer = run_weft("train", text, "--recipe", "small")
    assert answer.out.splitlines()[-1] == "the figure of recipe small does not apply: data changed"
    assert read_config(Path("runs/my/config.toml")).model.cell == "gru"


def test_a_recipe_can_be_resumed(run_weft: RunWeft, recipes: Path) -> None:
    assert run_weft("train", "--recipe", "small", "--max-steps", 5).code == 0
    answer = run_weft("train", "--recipe", "small", "--resume", "--max-steps", 10)
    assert answer.code == 0
    assert "after 10 steps" in answer.out


def test_a_resumed_run_keeps_its_length_and_has_no_figure(run_weft: RunWeft, recipes: Path) -> None:
    assert run_weft("train", "--recipe", "small", "--epochs", 2, "--max-steps", 5).code == 0
    answer = run_weft("train", "--recipe", "small", "--resume", "--max-steps", 8)
    assert answer.code == 0
    assert answer.out.splitlines()[-1] == "the figure of recipe small does not apply: epochs, max_steps changed"
    assert read_config(Path("runs/small/config.toml")).training.epochs == 2


def test_a_recipe_for_the_fused_kernels_runs_on_the_plain_ones(run_weft: RunWeft, recipes: Path) -> None:
    path = recipes / "small.toml"
    fused = 'kernels = "fused"\nthreads = 1\nprecision = "bfloat16"'
    path.write_text(path.read_text("utf-8").replace('kernels = "plain"', fused), "utf-8")
    answer = run_weft("train", "--recipe", "small", "--kernels", "plain")
    assert answer.code == 0
    assert "recipe small: reached" in answer.out
    training = read_config(Path("runs/small/config.toml")).training
    assert (training.kernels, training.threads, training.precision) == ("plain", None, "float32")


def test_a_recipe_in_bfloat16_falls_back_to_float32(
    run_weft: RunWeft, recipes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("weft.runs.settings", "weft.backends.fused"):
        monkeypatch.setattr(f"{module}.why_not_bfloat16", lambda: "this processor has no instructions for bfloat16")
    path = recipes / "small.toml"
    fused = 'kernels = "fused"\nthreads = 1\nprecision = "bfloat16"'
    path.write_text(path.read_text("utf-8").replace('kernels = "plain"', fused), "utf-8")
    answer = run_weft("train", "--recipe", "small")
    assert answer.code == 0
    assert "precision float32: this processor has no instructions for bfloat16" in answer.err
    assert "recipe small: reached" in answer.out
    assert read_config(Path("runs/small/config.toml")).training.precision == "float32"
    refusal = run_weft("train", "--recipe", "small", "--precision", "bfloat16", "--overwrite").refusal()
    assert refusal.startswith("--precision bfloat16 cannot be used: this processor has no instructions")


def test_the_error_for_an_unknown_recipe_lists_the_recipes(run_weft: RunWeft, recipes: Path) -> None:
    refusal = run_weft("train", "--recipe", "smal").refusal()
    assert refusal == "there is no recipe 'smal' (did you mean \"small\"?); there are small"


def test_a_recipe_and_a_configuration_exclude_each_other(run_weft: RunWeft, recipes: Path) -> None:
    refusal = run_weft("train", "--recipe", "small", "--config", "mine.toml").refusal()
    assert refusal == "settings are given twice, by the file mine.toml and by the recipe 'small': give one"


def test_recipes_are_listed_one_per_line(run_weft: RunWeft, recipes: Path) -> None:
    header, row = run_weft("recipes").out.splitlines()
    assert header.split("\t") == ["name", "what it is", "text", "what comes out", "time"]
    name, about, _text, result, time = row.split("\t")
    assert (name, about, result, time) == ("small", "A small one", "training perplexity 9 ± 1", "2 seconds")


def test_variants_are_listed_and_their_commands_printed_after_training(run_weft: RunWeft, recipes: Path) -> None:
    write(recipes, "test perplexity", 9, VARIANT)
    assert "test perplexity 9 ± 1; in 8 bits: 9.5 ± 0.5" in run_weft("recipes").out
    answer = run_weft("train", "--recipe", "small")
    command = "weft eval --run runs/small --weights int8"
    assert answer.err.splitlines()[-1] == f"in 8 bits, expected 9.5 ± 0.5: {command}"
    assert run_weft(*command.split()[1:]).code == 0
    assert "in 8 bits" not in run_weft("train", "--recipe", "small", "--overwrite", "--lr", 0.02).err


def test_the_list_names_the_corpus_to_fetch(run_weft: RunWeft, recipes: Path) -> None:
    (recipes / "small.toml").write_text(TABLE + '[text]\ndata = ["ptb"]', "utf-8")
    assert "\tptb (to be fetched: weft data ptb)\t" in run_weft("recipes").out


def test_a_printed_recipe_is_a_configuration(run_weft: RunWeft, recipes: Path) -> None:
    Path("mine.toml").write_text(run_weft("recipes", "small").out, "utf-8")
    assert read_settings(Path("mine.toml")) == read_settings(recipes / "small.toml")
    assert run_weft("train", "--config", "mine.toml").code == 0


VARIANTS = {"name": '"a"', "options": '["--bptt", "8"]', "expected": "1", "tolerance": "1"}


def variant(**changed: str) -> str:
    stated = {**VARIANTS, **changed}
    return TABLE + "[[recipe.variant]]\n" + "\n".join(f"{key} = {value}" for key, value in stated.items() if value)


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ("", "it has no table [recipe]"),
        (TABLE.replace("tolerance = 1", ""), "the table [recipe] lacks 'tolerance'"),
        (
            TABLE.replace("test perplexity", "joy"),
            "measure must be one of test perplexity, test bits per token, test bits per character, "
            "training perplexity, got 'joy'",
        ),
        (
            TABLE + "minuets = 3",
            "the table [recipe] has an unknown key 'minuets' (did you mean \"minutes\"?); known: about, measure, ",
        ),
        (
            TABLE.replace("expected = 1", 'expected = "1"'),
            "expected must be a finite number, got '1'",
        ),
        (TABLE.replace("minutes = 1", "minutes = 0"), "the table [recipe]: minutes must be above 0, got 0"),
        (TABLE.replace('"x"', "1"), "the table [recipe]: about must be a string, got 1"),
        (TABLE + "variant = 1", "variants are tables headed [[recipe.variant]], in two brackets"),
        (TABLE + "[recipe.variant]", "variants are tables headed [[recipe.variant]], in two brackets"),
        (TABLE + "variant = [1]", "[[recipe.variant]] number 1 is not a table, but 1"),
        (variant(tolerance=""), "[[recipe.variant]] number 1 lacks 'tolerance'"),
        (variant(option="1"), "number 1 has an unknown key 'option' (did you mean \"options\"?)"),
        (variant(options='"--bptt 8"'), "options must be a list of strings, got '--bptt 8'"),
        (variant(options="[8]"), 'options must be a list of strings, as ["--weights", "int8"]'),
        (
            variant(options='["--split=valid"]'),
            "own run and texts; leave --split=valid out",
        ),
        (f"{variant()}\n{variant().removeprefix(TABLE)}", "there are several variants 'a'"),
        (
            variant().replace("test perplexity", "training perplexity"),
            "a variant is evaluated on the test text, but the measure is training perplexity",
        ),
    ],
)
def test_an_invalid_recipe_is_an_error(run_weft: RunWeft, recipes: Path, table: str, complaint: str) -> None:
    (recipes / "small.toml").write_text(table, "utf-8")
    assert complaint in run_weft("train", "--recipe", "small").refusal()


@pytest.mark.parametrize(
    ("minutes", "said"),
    [(0.01, "1 second"), (0.1, "6 seconds"), (0.55, "33 seconds"), (2.54, "2.5 minutes"), (85.2, "85 minutes"),
     (180, "3 hours")],
)  # fmt: skip
def test_times_have_two_digits(minutes: float, said: str) -> None:
    assert weft.runs.recipes.duration(minutes) == said

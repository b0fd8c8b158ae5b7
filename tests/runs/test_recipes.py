"""All recipes are valid, and the small textbook experiment reaches the published perplexity."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.paths import ROOT
from weft.commands.cli import main
from weft.run_folder import METRICS
from weft.runs.recipes import find_recipe, recipe_names
from weft.runs.train import train
from weft.text.catalogue import locate
from weft.training import read_metrics


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_has_settings_and_an_expected_result(name: str) -> None:
    recipe = find_recipe(name)
    assert {"data", "cell", "lr"} <= recipe.settings.keys()
    assert min(recipe.expected, recipe.tolerance, recipe.minutes) > 0


@pytest.mark.parametrize("name", recipe_names())
def test_weft_eval_accepts_the_options_of_a_variant(name: str) -> None:
    for variant in find_recipe(name).variants:
        with pytest.raises(SystemExit) as raised:
            main(["eval", *variant.options, "--help"])
        assert not raised.value.code, variant.name


def test_the_recipes_are_those_of_the_source_tree() -> None:
    assert "textbook-1000" in recipe_names()
    assert recipe_names() == sorted(path.stem for path in (ROOT / "recipes").glob("*.toml"))


@pytest.mark.skipif(locate("ptb") is None, reason="the Penn Treebank is not downloaded")
def test_the_small_textbook_experiment_ends_between_4_5_and_7(tmp_path: Path) -> None:
    lm = train(recipe="textbook-1000", out=tmp_path / "run")
    assert lm.tokenizer.vocab_size == 418
    *_, last = read_metrics(tmp_path / "run" / METRICS)
    assert last.epoch == 100
    assert last.train_perplexity is not None
    assert 4.5 < last.train_perplexity < 7

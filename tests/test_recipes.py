"""Every recipe can be read, and the textbook's small experiment ends where the textbook's does."""

from __future__ import annotations

from pathlib import Path

import pytest

from weft.config_file import read_settings
from weft.experiment import train
from weft.run_folder import METRICS
from weft.text.named import locate
from weft.training import read_metrics

RECIPES = sorted((Path(__file__).parents[1] / "recipes").glob("*.toml"))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.stem)
def test_a_recipe_states_known_settings(recipe: Path) -> None:
    assert {"data", "cell", "lr"} <= read_settings(recipe).keys()


@pytest.mark.skipif(locate("ptb") is None, reason="the Penn Treebank is not here")
def test_the_textbooks_small_experiment_ends_between_4_5_and_7(tmp_path: Path) -> None:
    (recipe,) = (recipe for recipe in RECIPES if recipe.stem == "textbook-1000")
    lm = train(config=recipe, out=tmp_path / "run")
    assert lm.tokenizer.vocab_size == 418
    *_, last = read_metrics(tmp_path / "run" / METRICS)
    assert last.epoch == 100
    assert last.train_perplexity is not None
    assert 4.5 < last.train_perplexity < 7

"""Recipes: settings whose result is known. A TOML file as `--config` takes it, with a table of its own:

    [recipe]
    about = "The textbook's LSTM"
    measure = "test perplexity"     or another of MEASURES
    expected = 136.07
    tolerance = 4.0                 the same unit; other seeds and processors come out within it
    minutes = 2.5                   on the machine that the README names

They lie in the folder `recipes` of the source tree, and within the package where it is installed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weft.config_file import read_settings, read_toml
from weft.errors import InputError, nearest

TEST_PERPLEXITY, TEST_BITS, TRAINING_PERPLEXITY = MEASURES = (
    "test perplexity",
    "test bits per token",
    "training perplexity",
)
WITHIN_TOLERANCE = ("kernels", "threads", "precision", "save_every", "seed")
"""Settings that change the result by rounding or chance only."""


@dataclass(frozen=True)
class Recipe:
    """The settings of a run, and what comes out of it."""

    path: Path
    about: str
    measure: str
    expected: float
    tolerance: float
    minutes: float
    settings: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What it is called."""
        return self.path.stem

    @property
    def result(self) -> str:
        """What comes out."""
        return f"{self.measure} {self.expected:g} ± {self.tolerance:g}"

    def verdict(self, reached: float) -> str:
        """How the value `reached` of the measure compares with what is expected."""
        how = "as expected"
        if not abs(reached - self.expected) <= self.tolerance:
            how = "better than expected" if reached < self.expected else "worse than expected"
        return f"recipe {self.name}: reached {reached:.4g}, {how}: {self.result}"

    def changed(self, stated: Mapping[str, Any]) -> list[str]:
        """The settings among `stated` that make of the recipe another one."""
        return [
            name for name, value in stated.items() if name not in WITHIN_TOLERANCE and value != self.settings.get(name)
        ]


def recipes_folder() -> Path:
    """Where the recipes lie."""
    package = Path(__file__).parent
    within = package / "recipe_files"
    return within if within.is_dir() else package.parents[1] / "recipes"


def recipe_names() -> list[str]:
    """The names of all recipes, in order."""
    return sorted(path.stem for path in recipes_folder().glob("*.toml"))


def find_recipe(name: str) -> Recipe:
    """The recipe `name`; raises InputError, which lists them, if there is none."""
    names = recipe_names()
    if name not in names:
        raise InputError(f"there is no recipe {name!r}{nearest(name, names)}; there are {', '.join(names)}")
    return read_recipe(recipes_folder() / f"{name}.toml")


def read_recipe(path: Path) -> Recipe:
    """The recipe in a TOML file; raises InputError for a table [recipe] that is not as described above."""
    stated = read_toml(path).get("recipe")
    if not isinstance(stated, dict):
        raise InputError(f"{path} is not a recipe: it has no table [recipe]; give it with --config")
    try:
        about, measure = str(stated["about"]), str(stated["measure"])
        expected, tolerance, minutes = (float(stated[key]) for key in ("expected", "tolerance", "minutes"))
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(f"{path}: the table [recipe] lacks {error}, or it is no number") from None
    if measure not in MEASURES:
        raise InputError(f"{path}: measure must be one of {', '.join(MEASURES)}, got {measure!r}")
    return Recipe(path, about, measure, expected, tolerance, minutes, read_settings(path))


def duration(minutes: float) -> str:
    """A time for a person, of two digits: 40 seconds, 2.5 minutes, 85 minutes, 3 hours."""
    if minutes < 1.5:
        return f"{math.ceil(minutes * 60)} seconds"
    if minutes < 10:
        return f"{minutes:.2g} minutes"
    return f"{minutes:.0f} minutes"

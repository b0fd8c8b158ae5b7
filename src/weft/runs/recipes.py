"""Recipes: settings whose result is known. A TOML file as `--config` takes it, with a table of its own:

    [recipe]
    about = "The textbook's LSTM"
    measure = "test perplexity"     or another of MEASURES
    expected = 136.07
    tolerance = 4.0                 the same unit; other seeds and processors come out within it
    minutes = 2.5                   on the machine of its result, see `results`

    [[recipe.variant]]              any number of them, for a measure of the test text: further evaluations
    name = "in 8 bits"
    options = ["--weights", "int8"] of `weft eval`
    expected = 136.2                the same measure
    tolerance = 4.0

All keys are needed. `weft train --recipe` trains, and leaves the variants to `weft eval`.

They lie in the folder `recipes` of the source tree, and within the package where it is installed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weft.config.checks import converted
from weft.config.toml import read_settings, read_toml
from weft.errors import InputError, nearest

TEST_PERPLEXITY, TEST_BITS, TRAINING_PERPLEXITY = MEASURES = (
    "test perplexity",
    "test bits per token",
    "training perplexity",
)
WITHIN_TOLERANCE = ("kernels", "threads", "precision", "save_every", "seed")
"""Settings that change the result by rounding or chance only."""
_KEYS = {"about": str, "measure": str, "expected": float, "tolerance": float, "minutes": float}
_VARIANT_KEYS = {"name": str, "options": list, "expected": float, "tolerance": float}


@dataclass(frozen=True)
class Variant:
    """The trained model evaluated in another way: options of `weft eval`, and what comes out with them."""

    name: str
    options: tuple[str, ...]
    expected: float
    tolerance: float

    @property
    def result(self) -> str:
        """What comes out, without its measure, which is the recipe's."""
        return f"{self.expected:g} ± {self.tolerance:g}"

    def compared(self, reached: float) -> str:
        """How the value `reached` compares with what is expected."""
        return _compared(reached, self.expected, self.tolerance)


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
    variants: tuple[Variant, ...] = ()

    @property
    def name(self) -> str:
        """What it is called."""
        return self.path.stem

    @property
    def result(self) -> str:
        """What comes out."""
        return f"{self.measure} {self.expected:g} ± {self.tolerance:g}"

    def compared(self, reached: float) -> str:
        """How the value `reached` of the measure compares with what is expected."""
        return _compared(reached, self.expected, self.tolerance)

    def verdict(self, reached: float) -> str:
        """The same as a line for a person."""
        return f"recipe {self.name}: reached {reached:.4g}, {self.compared(reached)}: {self.result}"

    def changed(self, stated: Mapping[str, Any]) -> list[str]:
        """The settings among `stated` that make of the recipe another one."""
        return [
            name for name, value in stated.items() if name not in WITHIN_TOLERANCE and value != self.settings.get(name)
        ]


def recipes_folder() -> Path:
    """Where the recipes lie."""
    package = Path(__file__).parents[1]
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
    stated_variants = stated.pop("variant", [])
    values = _values(f"{path}: the table [recipe]", stated, _KEYS)
    if values["measure"] not in MEASURES:
        raise InputError(f"{path}: measure must be one of {', '.join(MEASURES)}, got {values['measure']!r}")
    variants = _variants(path, stated_variants)
    if variants and values["measure"] == TRAINING_PERPLEXITY:
        raise InputError(f"{path}: a variant is evaluated on the test text, but the measure is {TRAINING_PERPLEXITY}")
    return Recipe(path, **values, settings=read_settings(path), variants=variants)


def _variants(path: Path, stated: Any) -> tuple[Variant, ...]:
    if not isinstance(stated, list):
        raise InputError(f"{path}: variants are tables headed [[recipe.variant]], in two brackets")
    variants = []
    for number, table in enumerate(stated, start=1):
        where = f"{path}: [[recipe.variant]] number {number}"
        values = _values(where, table, _VARIANT_KEYS)
        options = values["options"] = tuple(values["options"])
        if not options or not all(isinstance(option, str) and option for option in options):
            raise InputError(f'{where}: options must be a list of strings, as ["--weights", "int8"]')
        for option in options:
            if option.partition("=")[0] in ("--run", "--split"):
                raise InputError(f"{where}: a variant is of the recipe's own run and texts; leave {option} out")
        variants.append(Variant(**values))
    names = [variant.name for variant in variants]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{path}: there are several variants {name!r}; give each a name of its own")
    return tuple(variants)


def _values(where: str, stated: Any, kinds: Mapping[str, type]) -> dict[str, Any]:
    """The values of a table that must have these keys and no others, numbers above 0."""
    if not isinstance(stated, dict):
        raise InputError(f"{where} is not a table, but {stated!r}")
    for key in stated:
        if key not in kinds:
            raise InputError(f"{where} has an unknown key {key!r}{nearest(key, kinds)}; known: {', '.join(kinds)}")
    values = {}
    for key, kind in kinds.items():
        if key not in stated:
            raise InputError(f"{where} lacks {key!r}")
        value = stated[key]
        if kind is list and not isinstance(value, list):
            raise InputError(f"{where}: {key} must be a list of strings, got {value!r}")
        if kind is not list:
            try:
                value = converted(key, kind, value)
            except InputError as error:
                raise InputError(f"{where}: {error}") from None
        if kind is float and value <= 0:
            raise InputError(f"{where}: {key} must be above 0, got {value:g}")
        values[key] = value
    return values


def _compared(reached: float, expected: float, tolerance: float) -> str:
    # Of every measure less is better, and what is no number is worse.
    if abs(reached - expected) <= tolerance:
        return "as expected"
    return "better than expected" if reached < expected else "worse than expected"


def duration(minutes: float) -> str:
    """A time for a person, of two digits: 40 seconds, 2.5 minutes, 85 minutes, 3 hours."""
    if minutes < 1.5:
        seconds = math.ceil(round(minutes * 60, 3))
        return f"{seconds} second{'s' * (seconds != 1)}"
    if minutes < 10:
        return f"{minutes:.2g} minutes"
    if minutes < 120:
        return f"{minutes:.0f} minutes"
    return f"{minutes / 60:.2g} hours"

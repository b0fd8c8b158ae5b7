"""Recipes: settings with a known result. A recipe is a TOML file as for `--config`, with one more table:

    [recipe]
    about = "The textbook's LSTM"
    measure = "test perplexity"     one of MEASURES
    expected = 136.07               the result
    tolerance = 4.0                 covers other seeds and processors; same unit as the result
    minutes = 2.5                   training time on the machine of the result; see `results`

    [[recipe.variant]]              optional and repeatable: another evaluation of the trained model on the test text
    name = "in 8 bits"
    options = ["--weights", "int8"] of `weft eval`
    expected = 136.2                same measure as above
    tolerance = 4.0

All other keys are required. `weft train --recipe` trains the model; variants are evaluated by `weft eval`.

The recipes are in the folder `recipes` of the source tree, or inside the installed package.
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

TEST_PERPLEXITY, TEST_BITS, TEST_BITS_PER_CHARACTER, TRAINING_PERPLEXITY = MEASURES = (
    "test perplexity",
    "test bits per token",
    "test bits per character",
    "training perplexity",
)
WITHIN_TOLERANCE = ("kernels", "threads", "precision", "save_every", "seed")
"""Settings that change the result only by rounding or by chance."""
_KEYS = {"about": str, "measure": str, "expected": float, "tolerance": float, "minutes": float}
_VARIANT_KEYS = {"name": str, "options": list, "expected": float, "tolerance": float}


@dataclass(frozen=True)
class Variant:
    """Another evaluation of the trained model: the options of `weft eval`, and the result with them."""

    name: str
    options: tuple[str, ...]
    expected: float
    tolerance: float

    @property
    def result(self) -> str:
        """The expected result and its tolerance, without the measure."""
        return f"{self.expected:g} ± {self.tolerance:g}"

    def compared(self, reached: float) -> str:
        """How the value `reached` compares with the expected result."""
        return _compared(reached, self.expected, self.tolerance)


@dataclass(frozen=True)
class Recipe:
    """The settings of a run, and the expected result."""

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
        """Name of the recipe: that of its file."""
        return self.path.stem

    @property
    def result(self) -> str:
        """The measure, the expected result and its tolerance."""
        return f"{self.measure} {self.expected:g} ± {self.tolerance:g}"

    def compared(self, reached: float) -> str:
        """How the value `reached` of the measure compares with the expected result."""
        return _compared(reached, self.expected, self.tolerance)

    def verdict(self, reached: float) -> str:
        """The comparison as a line of text."""
        return f"recipe {self.name}: reached {reached:.4g}, {self.compared(reached)}: {self.result}"

    def changed(self, settings: Mapping[str, Any]) -> list[str]:
        """The names of `settings` that differ from the recipe's and change the result beyond its tolerance."""
        return [
            name
            for name, value in settings.items()
            if name not in WITHIN_TOLERANCE and value != self.settings.get(name)
        ]


def recipes_folder() -> Path:
    """The folder of the recipes: in the installed package, else in the source tree."""
    package = Path(__file__).parents[1]
    installed = package / "recipe_files"
    return installed if installed.is_dir() else package.parents[1] / "recipes"


def recipe_names() -> list[str]:
    """The names of all recipes, sorted."""
    return sorted(path.stem for path in recipes_folder().glob("*.toml"))


def find_recipe(name: str) -> Recipe:
    """The recipe `name`. Raises InputError, with the names of all recipes, if there is none."""
    names = recipe_names()
    if name not in names:
        raise InputError(f"there is no recipe {name!r}{nearest(name, names)}; there are {', '.join(names)}")
    return read_recipe(recipes_folder() / f"{name}.toml")


def read_recipe(path: Path) -> Recipe:
    """The recipe in a TOML file. Raises InputError if the table [recipe] is missing or not as described above."""
    table = read_toml(path).get("recipe")
    if not isinstance(table, dict):
        raise InputError(f"{path} is not a recipe: it has no table [recipe]; give it with --config")
    variant_tables = table.pop("variant", [])
    values = _values(f"{path}: the table [recipe]", table, _KEYS)
    if values["measure"] not in MEASURES:
        raise InputError(f"{path}: measure must be one of {', '.join(MEASURES)}, got {values['measure']!r}")
    variants = _variants(path, variant_tables)
    if variants and values["measure"] == TRAINING_PERPLEXITY:
        raise InputError(f"{path}: a variant is evaluated on the test text, but the measure is {TRAINING_PERPLEXITY}")
    return Recipe(path, **values, settings=read_settings(path), variants=variants)


def _variants(path: Path, tables: Any) -> tuple[Variant, ...]:
    if not isinstance(tables, list):
        raise InputError(f"{path}: variants are tables headed [[recipe.variant]], in two brackets")
    variants = []
    for number, table in enumerate(tables, start=1):
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


def _values(where: str, table: Any, kinds: Mapping[str, type]) -> dict[str, Any]:
    """The values of a table that must have exactly the keys of `kinds`, of these types; numbers must be above 0."""
    if not isinstance(table, dict):
        raise InputError(f"{where} is not a table, but {table!r}")
    for key in table:
        if key not in kinds:
            raise InputError(f"{where} has an unknown key {key!r}{nearest(key, kinds)}; known: {', '.join(kinds)}")
    values = {}
    for key, kind in kinds.items():
        if key not in table:
            raise InputError(f"{where} lacks {key!r}")
        value = table[key]
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
    # For every measure, a lower value is better, and NaN is worse than any number.
    if abs(reached - expected) <= tolerance:
        return "as expected"
    return "better than expected" if reached < expected else "worse than expected"


def duration(minutes: float) -> str:
    """A duration in minutes as text with two digits: 40 seconds, 2.5 minutes, 85 minutes, 3 hours."""
    if minutes < 1.5:
        seconds = math.ceil(round(minutes * 60, 3))
        return f"{seconds} second{'s' * (seconds != 1)}"
    if minutes < 10:
        return f"{minutes:.2g} minutes"
    if minutes < 120:
        return f"{minutes:.0f} minutes"
    return f"{minutes / 60:.2g} hours"

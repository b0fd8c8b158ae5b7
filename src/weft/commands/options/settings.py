"""The fields of `weft.config` as options of a command, under a heading for each section of the configuration file."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from dataclasses import MISSING, Field, fields
from functools import partial
from typing import Annotated, Any

from weft.commands.options.completion import cells, completing, output_layers, runs_here, texts
from weft.commands.options.declaration import Command, number_option, option, whole_number_option, with_parameters
from weft.config import SECTIONS, TYPES, choices_of

REGISTERED = {"cell": cells, "output": output_layers}
"""Settings whose values are names of registered classes, which are looked up where the model is built."""


def with_settings(without: Collection[str] = ()) -> Callable[[Command], Command]:
    """Decorates a command with the parameter `**settings`: one option for each field except those in `without`.

    The value of an option that is not given is None.
    """

    def decorate(command: Command) -> Command:
        signature = inspect.signature(command, eval_str=True)
        own = [parameter for parameter in signature.parameters.values() if parameter.name != "settings"]
        settings = [
            _parameter(section, item)
            for section, structure in SECTIONS.items()
            for item in fields(structure)
            if item.name not in without
        ]
        return with_parameters(command, [*own, *settings])

    return decorate


def _parameter(section: str, item: Field[Any]) -> inspect.Parameter:
    """A field of the configuration as an option whose default value is None."""
    hint = TYPES[item.name]
    several = {tuple[str, ...]: list[str], tuple[int, ...]: list[int]}
    declared = Annotated[several.get(hint, hint) | None, _option(section, item, hint)]  # type: ignore[valid-type]
    return inspect.Parameter(item.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=declared)


def _option(section: str, item: Field[Any], hint: Any) -> Any:
    help, default = item.metadata["help"], None
    if hint in (tuple[str, ...], tuple[int, ...]):
        help += "; may be repeated"
    if item.default not in (None, (), MISSING):
        default = str(item.default).lower() if isinstance(item.default, bool) else str(item.default)
    settings: dict[str, Any] = {"default": default, "group": f"Settings, [{section}]"}
    if item.name == "vocab":
        return option(help, metavar="FILE", autocompletion=texts, **settings)
    if hint == str | None:
        return option(help, item.metadata["flag"], metavar="FOLDER", **completing(runs_here), **settings)
    if hint in (int, int | None, tuple[int, ...]):
        return whole_number_option(help, **settings)
    if hint in (float, float | None):
        return number_option(help, **settings)
    if hint is bool:
        return option(help, **settings)
    if hint == tuple[str, ...]:
        return option(help, metavar="TEXT", autocompletion=texts, **settings)
    known = REGISTERED.get(item.name) or partial(choices_of, item)
    return option(help, metavar="|".join(known()) or "NAME", **completing(known), **settings)

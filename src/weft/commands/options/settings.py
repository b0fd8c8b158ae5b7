"""The fields of `weft.config` as options of a command."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from dataclasses import MISSING, Field, fields
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperCommand

from weft.commands.options.types import number, whole_number
from weft.config import SECTIONS, TYPES, choices_of

Command = TypeVar("Command", bound=Callable[..., None])


class SettingsCommand(TyperCommand):
    """Its help lists the settings under the sections of the configuration file."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments and options, section by section."""
        records: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                usual = "Options" if parameter.param_type_name == "option" else "Arguments"
                section = getattr(parameter, "rich_help_panel", None) or usual
                records.setdefault(section, []).append(record)
        for section in sorted(records, key=["Arguments", "Options", *SECTIONS].index):
            with formatter.section(f"Settings, [{section}]" if section in SECTIONS else section):
                formatter.write_dl(records[section])


def with_settings(without: Collection[str] = ()) -> Callable[[Command], Command]:
    """Decorates a command that takes `**settings`: it gets an option for every field but those in `without`.

    An option that is not stated is None.
    """

    def decorate(command: Command) -> Command:
        signature = inspect.signature(command, eval_str=True)
        own = [parameter for parameter in signature.parameters.values() if parameter.name != "settings"]
        flags = [
            _parameter(section, item)
            for section, kind in SECTIONS.items()
            for item in fields(kind)
            if item.name not in without
        ]
        command.__signature__ = signature.replace(parameters=[*own, *flags])  # type: ignore[attr-defined]
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in [*own, *flags]}
        return command

    return decorate


def _parameter(section: str, item: Field[Any]) -> inspect.Parameter:
    """A field of the configuration as an option that is None when it is not stated."""
    hint = TYPES[item.name]
    text = item.metadata["help"]
    if item.default not in (None, (), MISSING):
        text += f"  [default: {str(item.default).lower() if isinstance(item.default, bool) else item.default}]"
    options: dict[str, Any] = {"help": text, "show_default": False, "rich_help_panel": section}
    if hint in (int, int | None, tuple[int, ...]):
        options |= {"metavar": "N", "parser": whole_number}
    elif hint in (float, float | None):
        options |= {"metavar": "X", "parser": number}
    elif hint is not bool:
        options["metavar"] = "|".join(choices_of(item)) or ("TEXT" if hint == tuple[str, ...] else "NAME")
    several = {tuple[str, ...]: list[str], tuple[int, ...]: list[int]}
    if hint in several:
        options["help"] += "; may be repeated"
    hint = several.get(hint, hint) | None
    annotation = Annotated[hint, typer.Option(**options)]  # type: ignore[valid-type]
    return inspect.Parameter(item.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)

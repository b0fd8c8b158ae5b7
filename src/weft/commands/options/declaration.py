"""How options are declared: constructors for each kind of value, and dataclasses whose fields are options."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import typer

from weft.commands.options.completion import completing
from weft.commands.options.values import number, whole_number

Command = TypeVar("Command", bound=Callable[..., None])


def option(help: str, *flags: str, default: str | None = None, group: str | None = None, **settings: Any) -> Any:
    """An option for `Annotated`. group: its heading in the help.

    default: shown in place of the default value, for a value that is chosen when the command runs.
    """
    if default is not None:
        help = f"{help}  [default: {default}]" if help else f"[default: {default}]"
        settings["show_default"] = False
    return typer.Option(*flags, help=help, rich_help_panel=group, **settings)


def whole_number_option(help: str, *flags: str, metavar: str = "N", **settings: Any) -> Any:
    """An option whose value is an int."""
    return option(help, *flags, parser=whole_number, metavar=metavar, **settings)


def number_option(help: str, *flags: str, metavar: str = "X", **settings: Any) -> Any:
    """An option whose value is a float."""
    return option(help, *flags, parser=number, metavar=metavar, **settings)


def choice_option(names: Iterable[str], help: str, *flags: str, **settings: Any) -> Any:
    """An option whose value is one of `names`; the command checks the value, see `one_of`."""
    names = tuple(names)
    return option(help, *flags, metavar="|".join(names), **completing(lambda: names), **settings)


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Decorates a command: a parameter that is a dataclass becomes one option for each field.

    The fields carry their options in `Annotated`. Their names must be unique within the command.
    """
    signature = inspect.signature(command, eval_str=True)
    structures: dict[str, Any] = {
        parameter.name: parameter.annotation
        for parameter in signature.parameters.values()
        if is_dataclass(parameter.annotation)
    }

    @functools.wraps(command)
    def run(**given: Any) -> None:
        built = {
            name: structure(**{item.name: given.pop(item.name) for item in fields(structure)})
            for name, structure in structures.items()
        }
        command(**given, **built)

    parameters: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        if parameter.name in structures:
            parameters += _parameters(structures[parameter.name])
        else:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
    return with_parameters(run, parameters)


def with_parameters(command: Command, parameters: Sequence[inspect.Parameter]) -> Command:
    """The same function with another signature, which Typer turns into arguments and options."""
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def _parameters(structure: Any) -> list[inspect.Parameter]:
    hints = typing.get_type_hints(structure, include_extras=True)
    return [
        inspect.Parameter(item.name, inspect.Parameter.KEYWORD_ONLY, default=item.default, annotation=hints[item.name])
        for item in fields(structure)
    ]

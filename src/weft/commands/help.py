"""The layout of help texts: options and commands under headings, examples at the end, any width from 50 columns.

The heading of an option is its `rich_help_panel`, by default "Options" or "Arguments".
"""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

from typer.core import TyperCommand, TyperGroup

ARGUMENTS, OPTIONS = "Arguments", "Options"
TEXT, OUTPUT, TABLE = "Text", "Output", "Tables"
ADAPTATION, SPEED = "Adaptation to the text", "Speed and precision"
"""Headings that several commands share."""

_EXAMPLES = "\n\nExamples:\n"
_NO_BREAK = "\u00a0"
"""A space at which no line is wrapped."""


class Description(NamedTuple):
    """The help of a command, and its examples, one a line."""

    help: str
    epilog: str


def described(function: Any) -> Description:
    """The docstring of a command: the help, and the lines after `Examples:`."""
    text, _, examples = (inspect.getdoc(function) or "").partition(_EXAMPLES)
    return Description(text, inspect.cleandoc(examples))


class HelpCommand(TyperCommand):
    """A command whose help has headings and examples."""

    def get_help(self, ctx: Any) -> str:
        return super().get_help(ctx).replace(_NO_BREAK, " ")

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _write_options(self, ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        _write_examples(self, formatter)


class HelpGroup(TyperGroup):
    """A group of commands whose help has headings and examples."""

    def get_help(self, ctx: Any) -> str:
        return super().get_help(ctx).replace(_NO_BREAK, " ")

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _write_options(self, ctx, formatter)
        self.format_commands(ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        _write_examples(self, formatter)


def write_rows(formatter: Any, heading: str, rows: list[tuple[str, str]]) -> None:
    """Two columns under a heading; the first takes at most a third of the width."""
    with formatter.section(heading):
        formatter.write_dl(rows, col_max=formatter.width // 3)


def _write_options(command: Any, ctx: Any, formatter: Any) -> None:
    rows: dict[str, list[tuple[str, str]]] = {ARGUMENTS: [], OPTIONS: []}
    for parameter in command.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if record is not None:
            is_argument = parameter.param_type_name == "argument"
            heading = getattr(parameter, "rich_help_panel", None) or (ARGUMENTS if is_argument else OPTIONS)
            # Some versions of Typer add the type to the name of an argument, others escape brackets for Rich.
            name = parameter.metavar or record[0] if is_argument else record[0]
            text = record[1].replace("\\[", "[").replace("[default: ", f"[default:{_NO_BREAK}")
            rows.setdefault(heading, []).append((name, text))
    for heading, records in rows.items():
        if records:
            write_rows(formatter, heading, records)


def _write_examples(command: Any, formatter: Any) -> None:
    if command.epilog:
        with formatter.section("Examples"):
            for line in command.epilog.splitlines():
                formatter.write(f"{'':>{formatter.current_indent}}{line}\n")

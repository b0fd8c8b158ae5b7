"""Errors in a command line as one line of text, with the nearest option or command."""

from __future__ import annotations

import re
from typing import Any

import typer

from weft.errors import nearest

# Typer contains its own copy of click in some versions and not in others; this finds click's UsageError in both.
USAGE_ERROR: Any = typer.BadParameter.__mro__[2]

NAMES_ELSEWHERE = {
    "--emsize": "--embedding-size",
    "--wordvec-size": "--embedding-size",
    "--nhid": "--hidden-size",
    "--rnn-size": "--hidden-size",
    "--nlayers": "--layers",
    "--num-layers": "--layers",
    "--seq-length": "--bptt",
    "--time-size": "--bptt",
    "--max-grad": "--clip",
    "--learning-rate": "--lr",
    "--max-epoch": "--epochs",
    "--max-epochs": "--epochs",
}
"""Names that other programs use -> the option of weft."""


def in_one_line(error: Any) -> str:
    """The message of a `USAGE_ERROR`, with the nearest option or command where one is unknown."""
    message = " ".join(str(error.format_message()).split())
    option = getattr(error, "option_name", None)
    if option is not None and message.startswith("No such option"):
        return _unknown_option(option, error.ctx)
    command = re.match(r"No such command '(.*?)'", message)
    if command is not None:
        known = _commands(error.ctx)
        return f"no such command {command[1]!r}{nearest(command[1], known)}; known: {', '.join(known)}"
    if message.startswith("Missing command"):
        return f"{error.ctx.command_path} needs a command: {', '.join(_commands(error.ctx))}"
    extra = re.match(r"Got unexpected extra arguments? ?(?:\(s\))? ?\((.*)\)", message)
    if extra is not None:
        path = error.ctx.command_path
        return f"unexpected argument {extra[1]!r}: put quotes around a text with spaces, or see {path} --help"
    return message


def _commands(ctx: Any) -> list[str]:
    names: list[str] = ctx.command.list_commands(ctx)
    return names


def _unknown_option(option: str, ctx: Any) -> str:
    if ctx is None:
        return f"no such option {option}"
    known = [name for parameter in ctx.command.params for name in (*parameter.opts, *parameter.secondary_opts)]
    name = option.replace("_", "-")
    hint = nearest(name, [each for each in (*known, "--help") if each.startswith("--")])
    if NAMES_ELSEWHERE.get(name) in known:
        hint = f"; here it is called {NAMES_ELSEWHERE[name]}"
    return f"no such option {option}{hint}; {ctx.command_path} --help lists them"

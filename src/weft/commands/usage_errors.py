"""What is wrong with a command line, in one line."""

from __future__ import annotations

import re
from typing import Any

import typer

from weft.errors import nearest

# Typer carries its own copy of click in some versions and not in others; this name is right in both.
UsageMistake: Any = typer.BadParameter.__mro__[2]

ELSEWHERE = {
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
"""What other programs call our options."""


def in_one_line(mistake: Any) -> str:
    """The message of a `UsageMistake`, with the nearest option or command where one is unknown."""
    message = " ".join(str(mistake.format_message()).split())
    option = getattr(mistake, "option_name", None)
    if option is not None and message.startswith("No such option"):
        return _unknown_option(option, mistake.ctx)
    command = re.match(r"No such command '(.*?)'", message)
    if command is not None:
        known = _commands(mistake.ctx)
        return f"no such command {command[1]!r}{nearest(command[1], known)}; known: {', '.join(known)}"
    if message.startswith("Missing command"):
        return f"{mistake.ctx.command_path} needs a command: {', '.join(_commands(mistake.ctx))}"
    extra = re.match(r"Got unexpected extra arguments? ?(?:\(s\))? ?\((.*)\)", message)
    if extra is not None:
        path = mistake.ctx.command_path
        return f"unexpected argument {extra[1]!r}: put quotes around a text with spaces, or see {path} --help"
    return message


def _commands(ctx: Any) -> list[str]:
    return list(ctx.command.commands)


def _unknown_option(option: str, ctx: Any) -> str:
    if ctx is None:
        return f"no such option {option}"
    known = [name for parameter in ctx.command.params for name in (*parameter.opts, *parameter.secondary_opts)]
    usual = option.replace("_", "-")
    hint = nearest(usual, [name for name in (*known, "--help") if name.startswith("--")])
    if ELSEWHERE.get(usual) in known:
        hint = f"; here it is called {ELSEWHERE[usual]}"
    return f"no such option {option}{hint}; {ctx.command_path} --help lists them"

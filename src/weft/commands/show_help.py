"""`weft help` and `weft version`: the options --help and --version as commands."""

from __future__ import annotations

from typing import Annotated

import typer

from weft import __version__
from weft.commands.options.completion import completing
from weft.commands.registry import COMMANDS, GROUPS
from weft.presentation.streams import write

NAMES = list(dict.fromkeys(word for name in (*COMMANDS, *GROUPS) for word in name.split()))


def show_help(
    command: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="COMMAND", help="The command to describe.", show_default=False, **completing(lambda: NAMES)
        ),
    ] = None,
) -> None:
    """Describe a command.

    Examples:
      weft help train
      weft help ngram eval
    """
    from weft.commands.cli import app

    app([*(command or []), "--help"], prog_name="weft", standalone_mode=False)


def show_version() -> None:
    """Print the version.

    Examples:
      weft version
    """
    write(f"weft {__version__}\n")

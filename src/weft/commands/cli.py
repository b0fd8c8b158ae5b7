"""The command `weft`: gathers the commands, and turns every mistake into one line and an exit code.

0: done. 2: the input cannot be used. 130: stopped by Ctrl-C. 1: a fault of weft's own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import typer

from weft import __version__
from weft.commands.data import data
from weft.commands.demo import demo
from weft.commands.eval import evaluate_text
from weft.commands.generate import generate
from weft.commands.info import info
from weft.commands.next import next_tokens
from weft.commands.score import score
from weft.commands.train import train_command
from weft.errors import WeftError, nearest

# Typer carries its own copy of click in some versions and not in others; this name is right in both.
ClickException: Any = typer.BadParameter.__mro__[2]

app = typer.Typer(
    name="weft",
    help="Recurrent language models: train on your text, then perplexity, surprisal, generation.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
COMMANDS: dict[str, Callable[..., None]] = {
    "demo": demo,
    "train": train_command,
    "eval": evaluate_text,
    "score": score,
    "next": next_tokens,
    "generate": generate,
    "info": info,
    "data": data,
}
for _name, _command in COMMANDS.items():
    app.command(_name)(_command)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"weft {__version__}")
        raise typer.Exit


@app.callback()
def weft(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print the version."),
) -> None:
    """Recurrent language models: train on your text, then perplexity, surprisal, generation.

    `--debug` anywhere on the line shows the full trace of an error.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = given[: given.index("--")] if "--" in given else given
    debug = "--debug" in options
    if debug:
        given.remove("--debug")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal without Unicode still gets its text
    sys.exit(_run(given, debug))


def _run(arguments: list[str], debug: bool) -> int:
    try:
        return int(app(arguments, standalone_mode=False) or 0)
    except (WeftError, ClickException) as error:
        if debug:
            raise
        return _tell(_one_line(error), 2)
    except KeyboardInterrupt as interrupt:
        return _tell(str(interrupt) or "stopped", 130)
    except typer.Abort:
        return _tell("stopped", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that flushing at exit does not complain
        return 0
    except Exception as error:
        if debug:
            raise
        return _tell(f"unexpected {type(error).__name__}: {error}; run it again with --debug for the trace", 1)


def _one_line(error: Any) -> str:
    if isinstance(error, WeftError):
        return str(error)
    message = str(error.format_message())
    command = message.removeprefix("No such command '").split("'")[0].rstrip(".")
    if message.startswith("No such command") and "did you mean" not in message.lower():
        message = f"no such command {command!r}{nearest(command, COMMANDS)}; known: {', '.join(COMMANDS)}"
    return " ".join(message.split())


def _tell(message: str, code: int) -> int:
    print(f"weft: {message}", file=sys.stderr)
    return code

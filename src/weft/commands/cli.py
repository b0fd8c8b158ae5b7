"""The command `weft`: finds the command that is named, and turns every error into one line and an exit code.

0: success, or the reader of the output closed it. 2: the input cannot be used. 130: stopped by Ctrl-C, SIGTERM or
SIGHUP. 1: a bug in weft.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
import typer.main

from weft import __version__
from weft.commands.help import HelpCommand, HelpGroup, described, write_rows
from weft.commands.options.declaration import option, with_parameters
from weft.commands.registry import COMMANDS, GROUPS, Entry
from weft.commands.signal_handling import STOPPED, stoppable
from weft.commands.usage_errors import USAGE_ERROR, in_one_line
from weft.errors import WeftError
from weft.presentation import streams
from weft.presentation.escapes import for_terminal

_PLAIN: dict[str, Any] = {"rich_markup_mode": None, "pretty_exceptions_enable": False, "add_completion": False}
"""Help without Rich, and tracebacks of Python."""


class CommandGroup(HelpGroup):
    """The commands of `weft` or of one of GROUPS; the module of a command is imported when the command is called."""

    def _entries(self) -> dict[str, Entry]:
        """The commands and groups directly in this group, by name."""
        prefix = f"{self.name} " if self.name in GROUPS else ""
        entries: dict[str, Entry] = {}
        for name, entry in COMMANDS.items():
            if name.startswith(prefix):
                first, _, rest = name.removeprefix(prefix).partition(" ")
                entries[first] = GROUPS[first] if rest else entry
        return entries

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self._entries())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        name = f"{self.name} {cmd_name}" if self.name in GROUPS else cmd_name
        return typer_command(name) if name in COMMANDS else super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        rows: dict[str, list[tuple[str, str]]] = {}
        for name, entry in self._entries().items():
            rows.setdefault("Commands" if self.name in GROUPS else entry.heading, []).append((name, entry.summary))
        for heading, records in rows.items():
            write_rows(formatter, heading, records)


class _Interrupted(Exception):
    """Carries a KeyboardInterrupt or BrokenPipeError through Typer, which would turn it into an exit code."""


def _carrying_interrupts(command: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except (KeyboardInterrupt, BrokenPipeError) as interrupt:
            raise _Interrupted from interrupt

    return run


QuietOption = Annotated[
    bool, option("Write errors alone to standard error: no progress and no notes.", "--quiet", "-q")
]


def _with_quiet(command: Callable[..., None]) -> Callable[..., None]:
    """The command with one more option, `--quiet`."""

    @functools.wraps(command)
    def run(*, quiet: bool, **given: Any) -> None:
        if not quiet:
            command(**given)
            return
        with streams.quiet():
            command(**given)

    parameters = inspect.signature(command, eval_str=True).parameters.values()
    own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    added = inspect.Parameter("quiet", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=QuietOption)
    return with_parameters(run, [*own, added])


@functools.cache
def typer_command(name: str) -> Any:
    """The command `name` of COMMANDS, made by Typer."""
    function = COMMANDS[name].load()
    alone = typer.Typer(**_PLAIN)
    settings = described(function)._asdict()
    alone.command(name.rpartition(" ")[2], cls=HelpCommand, **settings)(_carrying_interrupts(_with_quiet(function)))
    return typer.main.get_command(alone)


app = typer.Typer(
    **{**_PLAIN, "add_completion": True},
    name="weft",
    cls=CommandGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
for _name, _entry in GROUPS.items():
    app.add_typer(typer.Typer(**_PLAIN, cls=CommandGroup), name=_name, help=_entry.summary)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"weft {__version__}")
        raise typer.Exit


def weft(
    version: bool = typer.Option(
        False, "--version", "-V", callback=_print_version, is_eager=True, help="Print the version; as `weft version`."
    ),
) -> None:
    """Recurrent language models: train on your text, measure perplexity and surprisal, generate text.

    Results go to standard output, everything else to standard error; --quiet leaves only errors there. `weft help
    COMMAND` describes a command. `--debug` anywhere on the line shows the full trace of an error.

    Examples:
      weft demo
      weft train my.txt
      weft eval other.txt
      weft score "The cat sat on the mat."
    """


app.callback(**described(weft)._asdict())(weft)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    given = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    options = given[: given.index("--")] if "--" in given else given
    debug = "--debug" in options
    if debug:
        given.remove("--debug")
    sys.stdout, sys.stderr = sys.stdout or _null_stream(), sys.stderr or _null_stream()
    streams.set_encodings()
    sys.exit(_run(given, debug))


def _run(arguments: list[str], debug: bool) -> int:
    try:
        with stoppable():
            try:
                code = app(arguments, prog_name="weft", standalone_mode=False)
                sys.stdout.flush()
                return int(code or 0)
            except _Interrupted as interrupted:
                raise interrupted.__cause__ or interrupted from None
    except (KeyboardInterrupt, typer.Abort) as interrupt:
        return _print_error(str(interrupt) or "stopped", STOPPED)
    except Exception as error:
        if debug:
            sys.stderr.write(for_terminal(traceback.format_exc()))
        return _exit_code(error)


def _exit_code(error: Exception) -> int:
    """Print the error in one line; its exit code."""
    if isinstance(error, WeftError):
        return _print_error(str(error), 2)
    if isinstance(error, USAGE_ERROR):
        return _print_error(in_one_line(error), 2)
    if isinstance(error, MemoryError):
        return _print_error(f"not enough memory: {error or 'lower the sizes'}", 2)
    if isinstance(error, OSError):
        _discard_output()
        if isinstance(error, BrokenPipeError):
            return 0
        return _print_error(f"cannot read or write {error.filename or 'the output'}: {error.strerror or error}", 2)
    return _print_error(f"unexpected {type(error).__name__}: {error}; run it again with --debug for the trace", 1)


def _null_stream() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")


def _discard_output() -> None:
    """Prevent a second error when Python flushes standard output at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_error(message: str, code: int) -> int:
    streams.error(" ".join(line.strip() for line in message.split("\n")).strip())
    return code

"""The command `weft`: gathers the commands, and turns every mistake into one line and an exit code.

0: done, or nobody reads the output any more. 2: the input cannot be used. 130: stopped by Ctrl-C. 1: a fault of weft's
own.
"""

from __future__ import annotations

import functools
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

import typer

from weft import __version__
from weft.commands.compare import compare
from weft.commands.data import data
from weft.commands.demo import demo
from weft.commands.eval import evaluate_text
from weft.commands.find_lr import find_lr
from weft.commands.generate import generate
from weft.commands.info import info
from weft.commands.mix import mix
from weft.commands.next import next_tokens
from weft.commands.ngram import eval_ngram, train_ngram
from weft.commands.options.settings import SettingsCommand
from weft.commands.recipes import recipes
from weft.commands.rescore import rescore_lists
from weft.commands.score import score
from weft.commands.train import train_command
from weft.commands.tune import tune
from weft.commands.usage_errors import UsageMistake, in_one_line
from weft.errors import WeftError

app = typer.Typer(
    name="weft",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
COMMANDS: dict[str, Callable[..., None]] = {
    "demo": demo,
    "train": train_command,
    "find-lr": find_lr,
    "eval": evaluate_text,
    "score": score,
    "compare": compare,
    "next": next_tokens,
    "generate": generate,
    "ngram train": train_ngram,
    "ngram eval": eval_ngram,
    "mix": mix,
    "tune": tune,
    "rescore": rescore_lists,
    "info": info,
    "data": data,
    "recipes": recipes,
}
WITH_SETTINGS = ("train", "find-lr")
GROUPS = {"ngram": "Models that count words: train one, or measure one."}


class _Interrupted(Exception):
    """Stands for a KeyboardInterrupt or BrokenPipeError, of which Typer would make an exit code without a word."""


def _passed_on(command: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except (KeyboardInterrupt, BrokenPipeError) as interrupt:
            raise _Interrupted from interrupt

    return run


_groups = {"": app}
for _name, _command in COMMANDS.items():
    _group, _, _own_name = _name.rpartition(" ")
    if _group not in _groups:
        _groups[_group] = typer.Typer(rich_markup_mode=None, help=GROUPS[_group])
        app.add_typer(_groups[_group], name=_group)
    _groups[_group].command(_own_name, cls=SettingsCommand if _name in WITH_SETTINGS else None)(_passed_on(_command))


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"weft {__version__}")
        raise typer.Exit


@app.callback()
def weft(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print the version."),
) -> None:
    """Recurrent language models: train on your text, then perplexity, surprisal, generation.

    Start with `weft demo`, or `weft train YOUR.txt`. Results go to standard output, everything else to standard error.
    `--debug` anywhere on the line shows the full trace of an error.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    given = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    options = given[: given.index("--")] if "--" in given else given
    debug = "--debug" in options
    if debug:
        given.remove("--debug")
    sys.stdout, sys.stderr = sys.stdout or _nowhere(), sys.stderr or _nowhere()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal without Unicode still gets its text
    sys.exit(_run(given, debug))


def _run(arguments: list[str], debug: bool) -> int:
    try:
        try:
            code = app(arguments, prog_name="weft", standalone_mode=False)
            sys.stdout.flush()
            return int(code or 0)
        except _Interrupted as interrupted:
            raise interrupted.__cause__ or interrupted from None
    except (KeyboardInterrupt, typer.Abort) as interrupt:
        return _tell(str(interrupt) or "stopped", 130)
    except Exception as error:
        if debug:
            traceback.print_exc()
        return _answer(error)


def _answer(error: Exception) -> int:
    if isinstance(error, WeftError):
        return _tell(str(error), 2)
    if isinstance(error, UsageMistake):
        return _tell(in_one_line(error), 2)
    if isinstance(error, MemoryError):
        return _tell(f"not enough memory: {error or 'lower the sizes'}", 2)
    if isinstance(error, OSError):
        _forget_output()
        if isinstance(error, BrokenPipeError):
            return 0
        return _tell(f"cannot read or write {error.filename or 'the output'}: {error.strerror or error}", 2)
    return _tell(f"unexpected {type(error).__name__}: {error}; run it again with --debug for the trace", 1)


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")


def _forget_output() -> None:
    """Let nothing fail once more when Python flushes standard output at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell(message: str, code: int) -> int:
    print(f"weft: {' '.join(message.split())}", file=sys.stderr)
    return code

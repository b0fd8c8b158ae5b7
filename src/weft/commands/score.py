"""`weft score`: the log-probability and surprisal of every token of lines of text."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import chain
from typing import Annotated

import typer

from weft.commands.option_types import BatchSize, at_least_one
from weft.commands.run_option import RunOption, load_chosen
from weft.commands.weights_option import WeightsOption, with_weights
from weft.errors import InputError, nearest
from weft.language_model import TokenScore
from weft.text.lines import read_lines

FORMATS = ("table", "tsv")
HEADER = ("line", "position", "token", "logprob_nats", "surprisal_bits", "oov")


def score(
    lines: Annotated[
        list[str] | None,
        typer.Argument(metavar="LINE", help="Lines of text.  [default: those of --file]", show_default=False),
    ] = None,
    run: RunOption = None,
    file: Annotated[
        str, typer.Option("--file", "-f", metavar="FILE", help="A file with one text a line; '-' is standard input.")
    ] = "-",
    format: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(FORMATS), help="[default: table on a terminal, tsv elsewhere]", show_default=False
        ),
    ] = None,
    eos: Annotated[bool, typer.Option(help="Score the end of every line too.")] = True,
    batch_size: BatchSize = 32,
    weights: WeightsOption = "float32",
) -> None:
    """The log-probability and surprisal of every token.

    Each line is read from a fresh start; lines and positions count from 1. The answers come in the order of the lines,
    and an empty line has its end alone. With --batch-size 1 each line is answered as it comes.
    """
    if lines and file != "-":
        raise InputError("lines are given as arguments and with --file; give them once")
    shown = format or ("table" if sys.stdout.isatty() else "tsv")
    if shown not in FORMATS:
        raise InputError(f"--format must be one of {', '.join(FORMATS)}, got {shown!r}{nearest(shown, FORMATS)}")
    at_least_one(batch_size=batch_size)
    lm = with_weights(load_chosen(run), weights)
    by_hand = not lines and file == "-" and sys.stdin.isatty()
    if by_hand:
        print("type lines of text; Ctrl-D ends", file=sys.stderr)
    scored = lm.score_lines(lines or read_lines(file), 1 if by_hand else batch_size, eos)
    print_table(scored) if shown == "table" else print_tsv(scored)


def print_tsv(scored: Iterator[list[TokenScore]]) -> None:
    """One row a token, tab-separated, after a header; tabs and such within a token are escaped."""
    first = next(scored, [])  # what cannot be read at all is found out before anything is printed
    print("\t".join(HEADER))
    for number, scores in enumerate(chain([first], scored), start=1):
        for position, token in enumerate(scores, start=1):
            print(*_row(number, position, token), sep="\t")
        sys.stdout.flush()


def print_table(scored: Iterator[list[TokenScore]]) -> None:
    """A table a line of text, with its sum."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    for number, scores in enumerate(scored, start=1):
        table = Table(title=f"line {number}", title_justify="left")
        for name in HEADER[1:-1]:
            table.add_column(name, justify="left" if name == "token" else "right")
        for position, token in enumerate(scores, start=1):
            _line, *fields, oov = _row(number, position, token)
            table.add_row(*(Text(field, style="italic" if oov == "1" else "") for field in fields))
        nats, bits = (sum(getattr(token, name) for token in scores) for name in ("logprob_nats", "surprisal_bits"))
        table.add_section()
        table.add_row("", "sum", f"{nats:.4f}", f"{bits:.4f}")
        console.print(table)


def _row(number: int, position: int, score: TokenScore) -> tuple[str, str, str, str, str, str]:
    return (
        str(number),
        str(position),
        visible(score.token),
        f"{score.logprob_nats:.6f}",
        f"{score.surprisal_bits:.6f}",
        str(int(score.oov)),
    )


def visible(token: str) -> str:
    """A token as it can be shown in a table: a blank as ␣, and what cannot be printed escaped."""
    return "".join(map(_visible_character, token))


def _visible_character(character: str) -> str:
    if character == " ":
        return "␣"
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")

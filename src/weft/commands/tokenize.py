"""`weft tokenize` and `weft unkify`: the tokens of lines of text, in the layout of LM-Zoo's commands."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from weft.commands.help import TEXT
from weft.commands.options.declaration import option
from weft.commands.options.run import RunOption, chosen_run
from weft.commands.options.text import MarkerOption
from weft.config.toml import read_config
from weft.errors import InputError
from weft.presentation.streams import note, write
from weft.run_folder import CONFIG, TOKENIZER, check_run
from weft.scoring.formats.lm_zoo import listed_tokens, listed_unknown
from weft.text.facts import TextFacts
from weft.text.lines import name_of, read_lines
from weft.text.rules import check_marker, lines_of
from weft.text.tokenizers.base import Tokenizer
from weft.text.tokenizers.encoded import Encoded, encode_with_spans
from weft.text.tokenizers.registry import load_tokenizer

LinesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="LINE", help="Lines of text.  [default: those of --file]", show_default=False),
]
FileOption = Annotated[str, option("A file of lines; '-' is standard input.", "--file", "-f", metavar="FILE")]
EosOption = Annotated[bool, option("List the end of every line too.", group=TEXT)]


def tokenize(
    lines: LinesArgument = None,
    run: RunOption = None,
    file: FileOption = "-",
    line_end_marker: MarkerOption = None,
    eos: EosOption = True,
) -> None:
    """List the tokens of lines of text, as LM-Zoo does.

    One line for each line, with its tokens separated by spaces: <unk> for an unknown word, <eos> for the line end, Ġ
    for a space within a token. They are the tokens of the rows of `weft score --format lm-zoo`.

    Examples:
      weft tokenize "The cat sat on the mat."
      weft tokenize --file my.txt > tokens.txt
    """
    folder = _checked(run)
    tokenizer = load_tokenizer(folder / TOKENIZER)
    for encoded in _encoded(folder, tokenizer, lines, file, line_end_marker, eos):
        write(listed_tokens(map(tokenizer.token, encoded.ids)))


def unkify(
    lines: LinesArgument = None,
    run: RunOption = None,
    file: FileOption = "-",
    line_end_marker: MarkerOption = None,
    eos: EosOption = True,
) -> None:
    """List which tokens of lines of text are unknown, as LM-Zoo does.

    One line for each line, with 1 for each unknown token and 0 for each other one, separated by spaces; as many as
    `weft tokenize` has tokens.

    Examples:
      weft unkify "The cat sat on the mat."
      weft unkify --file my.txt > unknown.txt
    """
    folder = _checked(run)
    for encoded in _encoded(folder, load_tokenizer(folder / TOKENIZER), lines, file, line_end_marker, eos):
        write(listed_unknown(encoded.oov))


def _checked(run: Path | None) -> Path:
    """The run chosen, which exists; its weights are not read."""
    folder = chosen_run(run)
    check_run(folder)
    return folder


def _encoded(
    folder: Path, tokenizer: Tokenizer, given: list[str] | None, file: str, marker: str | None, eos: bool
) -> Iterator[Encoded]:
    """The tokens of each line, as scoring reads it."""
    if given and file != "-":
        raise InputError("lines are given as arguments and with --file; give them once")
    if not given and file == "-" and sys.stdin is not None and sys.stdin.isatty():
        note("type lines of text; Ctrl-D ends")
    ending = read_config(folder / CONFIG).text.line_end_marker if marker is None else marker
    check_marker(ending)
    facts = TextFacts()
    for text in given or read_lines(file, facts):
        for line in lines_of(text, ending):
            encoded = encode_with_spans(tokenizer, line)
            if eos:
                encoded.ids.append(tokenizer.eos_id)
                encoded.oov.append(False)
            yield encoded
    for fact in facts.notes(name_of(file), ending):
        note(fact)

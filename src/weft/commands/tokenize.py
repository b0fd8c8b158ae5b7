"""`weft tokenize` and `weft unkify`: the tokens of lines of text, in the layout of LM-Zoo's commands."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from weft.commands.help import TEXT
from weft.commands.options.declaration import option, with_options
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


@dataclass(frozen=True)
class GivenLines:
    """The lines to list, the run whose tokenizer reads them, and how a line ends: the options as given."""

    lines: Annotated[
        list[str] | None,
        typer.Argument(metavar="LINE", help="Lines of text.  [default: those of --file]", show_default=False),
    ] = None
    run: RunOption = None
    file: Annotated[str, option("A file of lines; '-' is standard input.", "--file", "-f", metavar="FILE")] = "-"
    line_end_marker: MarkerOption = None
    eos: Annotated[bool, option("List the end of every line too.", group=TEXT)] = True

    def encoded(self) -> tuple[Tokenizer, Iterator[Encoded]]:
        """The tokenizer of the run, whose weights are not read, and the tokens of each line, as scoring reads it."""
        run = chosen_run(self.run)
        check_run(run)
        tokenizer = load_tokenizer(run / TOKENIZER)
        return tokenizer, self._each_line(run, tokenizer)

    def _each_line(self, run: Path, tokenizer: Tokenizer) -> Iterator[Encoded]:
        if self.lines and self.file != "-":
            raise InputError("lines are given as arguments and with --file; give them once")
        if not self.lines and self.file == "-" and sys.stdin is not None and sys.stdin.isatty():
            note("type lines of text; Ctrl-D ends")
        ending = self.line_end_marker
        if ending is None:
            ending = read_config(run / CONFIG).text.line_end_marker
        check_marker(ending)
        facts = TextFacts()
        for text in self.lines or read_lines(self.file, facts):
            for line in lines_of(text, ending):
                encoded = encode_with_spans(tokenizer, line)
                if self.eos:
                    encoded.ids.append(tokenizer.eos_id)
                    encoded.oov.append(False)
                yield encoded
        for fact in facts.notes(name_of(self.file), ending):
            note(fact)


@with_options
def tokenize(given: GivenLines) -> None:
    """List the tokens of lines of text, as LM-Zoo does.

    One line for each line, with its tokens separated by spaces: <unk> for an unknown word, <eos> for the line end, Ġ
    for a space within a token. They are the tokens of the rows of `weft score --format lm-zoo`.

    Examples:
      weft tokenize "The cat sat on the mat."
      weft tokenize --file my.txt > tokens.txt
    """
    tokenizer, lines = given.encoded()
    for encoded in lines:
        write(listed_tokens(map(tokenizer.token, encoded.ids)))


@with_options
def unkify(given: GivenLines) -> None:
    """List which tokens of lines of text are unknown, as LM-Zoo does.

    One line for each line, with 1 for each unknown token and 0 for each other one, separated by spaces; as many as
    `weft tokenize` has tokens.

    Examples:
      weft unkify "The cat sat on the mat."
      weft unkify --file my.txt > unknown.txt
    """
    for encoded in given.encoded()[1]:
        write(listed_unknown(encoded.oov))

"""`weft score`: the score of every token or word of lines of text, in one of several formats."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice, tee
from typing import Annotated, NamedTuple

import typer

from weft.commands.help import TEXT
from weft.commands.options.adaptation import AdaptationOptions
from weft.commands.options.declaration import choice_option, option, with_options
from weft.commands.options.run import RunOption, chosen_run
from weft.commands.options.score_options import ON_ERROR, ScoreOptions
from weft.commands.options.score_pictures import HtmlOption, PngOption, score_pictures, wanted_for_page
from weft.commands.options.score_tables import TableOptions
from weft.commands.options.speed import KernelsOption, OptionalBatchSize, ThreadsOption, kernels_for_lines
from weft.commands.options.text import MarkerOption, with_marker
from weft.commands.options.unknown import UnknownWords
from weft.commands.options.values import at_least_one, one_of
from weft.commands.options.weights import WeightsOption, with_weights
from weft.commands.score_table import TableReading, score_table
from weft.errors import InputError, WeftError
from weft.language_model import LanguageModel, load
from weft.presentation.streams import error, note, write
from weft.scoring import TokenScore, Wanted
from weft.scoring.formats import FORMATS, Layout
from weft.text.facts import TextFacts
from weft.text.lines import lines_or_faults, name_of, read_lines
from weft.text.rules import lines_of


@with_options
def score(
    output: ScoreOptions,
    table: TableOptions,
    adaptation: AdaptationOptions,
    lines: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="LINE",
            help="Lines of text; with --text-column, a table.  [default: those of --file]",
            show_default=False,
        ),
    ] = None,
    run: RunOption = None,
    file: Annotated[str, option("A file of lines; '-' is standard input.", "--file", "-f", metavar="FILE")] = "-",
    line_end_marker: MarkerOption = None,
    eos: Annotated[bool, option("Score the end of every line too.", group=TEXT)] = True,
    on_error: Annotated[
        str, choice_option(ON_ERROR, "Stop at a line that is not UTF-8, or skip it.", group=TEXT)
    ] = "stop",
    html: HtmlOption = None,
    png: PngOption = None,
    batch_size: OptionalBatchSize = None,
    kernels: KernelsOption = "auto",
    threads: ThreadsOption = None,
    weights: WeightsOption = "float32",
) -> None:
    """Print the log-probability and surprisal of every token or word.

    Each line is read from a fresh start. Output is in the order of the lines; lines and positions count from 0. With
    --batch-size 1 each line is answered before the next is read. The formats kenlm, srilm and
    surprisal are those of KenLM's query, SRILM's ngram -ppl and neural-complexity. With --dynamic or --cache the model
    adapts to what it reads: within each line, or with --running from the first line to the last.

    Examples:
      weft score "The cat sat on the mat."
      weft score --file my.txt --format tsv > scores.tsv
      weft score --file my.txt --running --html my.html
      weft score items.csv --text-column sentence --layout wide
    """
    if table.text_column is not None:
        table_file = _table(lines, file, for_lines=html is not None or png is not None or on_error != "stop")
        at_least_one(batch_size=batch_size)
        adaptation.check(weights, batch_size=batch_size)
        folder = chosen_run(run)
        lm = with_weights(with_marker(load(folder), line_end_marker), weights)
        reading = TableReading(lm, batch_size, eos, kernels, threads, lambda lm: adaptation.adapted(lm, folder))
        score_table(table_file, table, output, reading)
        return
    table.check_unused()
    if lines and file != "-":
        raise InputError("lines are given as arguments and with --file; give them once")
    if output.both and (html or png):
        raise InputError("a picture shows the text read in one way: leave --both out, or --html and --png")
    layout = output.layout(file)
    skip = one_of("--on-error", on_error, ON_ERROR) == "skip"
    at_least_one(batch_size=batch_size)
    adaptation.check(weights, batch_size=batch_size)
    folder = chosen_run(run)
    lm = with_weights(with_marker(load(folder), line_end_marker), weights)
    wanted = output.wanted(tokens_are_words=not lm.tokenizer.splits_words)
    if html is not None:
        wanted = wanted_for_page(wanted)
    layout = replace(layout, id_of=(lambda token: None) if wanted.words else lm.tokenizer.id)
    if not lines and file == "-" and sys.stdin is not None and sys.stdin.isatty():
        note("type lines of text; Ctrl-D ends")
        batch_size = 1
    facts, marker = TextFacts(), lm.config.text.line_end_marker
    given = _lines(lines, file, skip, facts)
    if marker:
        given = _at_markers(given, marker)
    context, source = kernels_for_lines(lm, given, batch_size, kernels, threads)
    with context, score_pictures(html, png) as pictures:
        lm = adaptation.adapted(lm, folder)
        scored = pictures.scores(_scored(lm, pictures.lines(source), layout, Reading(batch_size, eos, wanted)))
        first = list(islice(scored, 1))  # errors in the first line are raised before anything is written
        unknown = UnknownWords(as_na=output.unknown_as_na)
        try:
            _write(output.format_name, unknown.counting(chain(first, scored)), layout)
        except WeftError:
            unknown.report()  # on the lines before the error, whose scores are written
            raise
        unknown.report()
    for fact in facts.notes(name_of(file), marker):
        note(fact)


def _table(given: list[str] | None, file: str, for_lines: bool) -> str:
    """The name of the table. for_lines: whether options are given that are for lines alone."""
    if for_lines:
        raise InputError("--html, --png and --on-error are for lines of text, not for tables")
    if given and (len(given) > 1 or file != "-"):
        raise InputError("with --text-column one table is scored: name one file, and no lines")
    return given[0] if given else file


def _lines(given: list[str] | None, file: str, skip: bool, facts: TextFacts) -> Iterator[str | None]:
    """The lines of text; with `skip`, None for a line that cannot be read."""
    if given:
        return (line for argument in given for line in lines_of(argument))
    return _reporting_errors(lines_or_faults(file, facts)) if skip else read_lines(file, facts)


def _at_markers(lines: Iterator[str | None], marker: str) -> Iterator[str | None]:
    for line in lines:
        yield from [None] if line is None else lines_of(line, marker)


def _reporting_errors(lines: Iterator[str | InputError]) -> Iterator[str | None]:
    for line in lines:
        if isinstance(line, InputError):
            error(f"skipped: {line}")
        yield None if isinstance(line, InputError) else line


class Reading(NamedTuple):
    """The arguments that `score_lines` and `score_running` share."""

    batch_size: int | None
    eos: bool
    wanted: Wanted


def _scored(
    lm: LanguageModel, lines: Iterable[str | None], layout: Layout, reading: Reading
) -> Iterator[list[TokenScore]]:
    """The scores of each line; with two modes in the layout, each line once in each mode."""
    if not layout.modes:
        return (lm.score_running if layout.running else lm.score_lines)(lines, *reading)
    separate, running = tee(lines)
    pairs = zip(lm.score_lines(separate, *reading), lm.score_running(running, *reading), strict=True)
    return chain.from_iterable(pairs)


def _write(format: str, scored: Iterator[list[TokenScore]], layout: Layout) -> None:
    for chunk in filter(None, FORMATS[format].write(scored, layout)):
        if format == "table":  # it is for people, with the characters and styles of their terminal
            sys.stdout.write(chunk)
            sys.stdout.flush()
        else:
            write(chunk)

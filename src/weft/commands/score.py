"""`weft score`: what every token or word of lines of text cost, in the format that is asked for."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice, tee
from typing import Annotated, NamedTuple

import typer

from weft.commands.options.adaptation import (
    AdaptationOptions,
    CacheFlatnessOption,
    CacheOption,
    CacheWeightOption,
    DynamicBlockOption,
    DynamicDecayOption,
    DynamicLrOption,
    DynamicOption,
    DynamicRuleOption,
)
from weft.commands.options.kernels import KernelsOption, ThreadsOption, kernels_for_lines
from weft.commands.options.pictures import HtmlOption, PngOption, pictures, wanted_for_page
from weft.commands.options.run import RunOption, chosen_run
from weft.commands.options.score import ON_ERROR, ScoreOptions
from weft.commands.options.types import OpenBatchSize, at_least_one, one_of, whole_number
from weft.commands.options.weights import WeightsOption, with_weights
from weft.errors import InputError
from weft.language_model import LanguageModel, load
from weft.scoring import TokenScore, Wanted
from weft.scoring.formats import DETAILS, FORMATS, Layout
from weft.scoring.units import UNITS
from weft.text.lines import lines_or_faults, read_lines


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
    words: Annotated[
        bool, typer.Option("--words", help="Score words, also where the tokens are characters or pieces of words.")
    ] = False,
    running: Annotated[
        bool, typer.Option("--running", help="Read the lines as one text, not each from a fresh start.")
    ] = False,
    both: Annotated[
        bool, typer.Option("--both", help="Read them in both ways; the column 'mode' says which a row is of.")
    ] = False,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,…",
            help="Columns of table, tsv and jsonl, among them entropy, entropy_reduction and rank; 'all' is all.",
            show_default=False,
        ),
    ] = None,
    alternatives: Annotated[
        int, typer.Option(parser=whole_number, metavar="K", help="Show the K likeliest tokens in every place.")
    ] = 0,
    base: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(UNITS),
            help="Base of the logarithms: bits, nats or bans.  [default: e for log-probabilities, 2 for the others]",
            show_default=False,
        ),
    ] = None,
    detail: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(DETAILS),
            help="How much kenlm (its -v) and srilm (its -debug) say.  [default: word for kenlm, summary for srilm]",
            show_default=False,
        ),
    ] = None,
    eos: Annotated[bool, typer.Option(help="Score the end of every line too.")] = True,
    on_error: Annotated[
        str, typer.Option(metavar="|".join(ON_ERROR), help="What to do at a line that is not UTF-8 text.")
    ] = "stop",
    html: HtmlOption = None,
    png: PngOption = None,
    batch_size: OpenBatchSize = None,
    kernels: KernelsOption = "auto",
    threads: ThreadsOption = None,
    weights: WeightsOption = "float32",
    dynamic: DynamicOption = False,
    dynamic_rule: DynamicRuleOption = None,
    dynamic_lr: DynamicLrOption = None,
    dynamic_decay: DynamicDecayOption = None,
    dynamic_block: DynamicBlockOption = None,
    cache: CacheOption = None,
    cache_weight: CacheWeightOption = None,
    cache_flatness: CacheFlatnessOption = None,
) -> None:
    """The log-probability and surprisal of every token or word.

    Each line is read from a fresh start. The answers come in the order of the lines, lines and positions count from 0,
    and an empty line has its end alone. With --batch-size 1 each line is answered as it comes. The formats kenlm, srilm
    and surprisal are those of KenLM's query, SRILM's ngram -ppl and neural-complexity. With --dynamic or --cache the
    model adapts to what it reads: within each line, or with --running from the first line to the last.
    """
    if lines and file != "-":
        raise InputError("lines are given as arguments and with --file; give them once")
    shown = format or ("table" if sys.stdout.isatty() else "tsv")
    if both and (html or png):
        raise InputError("a picture shows the text read in one way: leave --both out, or --html and --png")
    options = ScoreOptions(shown, words, running, both, columns, alternatives, base, detail)
    layout = options.layout(file)
    skip = one_of("--on-error", on_error, ON_ERROR) == "skip"
    at_least_one(batch_size=batch_size)
    adaptation = AdaptationOptions(
        dynamic, dynamic_rule, dynamic_lr, dynamic_decay, dynamic_block, cache, cache_weight, cache_flatness
    )
    adaptation.check(weights, batch_size=batch_size)
    folder = chosen_run(run)
    lm = with_weights(load(folder), weights)
    wanted = options.wanted(pieces=lm.tokenizer.splits_words)
    if html is not None:
        wanted = wanted_for_page(wanted)
    layout = replace(layout, id_of=(lambda token: None) if wanted.words else lm.tokenizer.id)
    if not lines and file == "-" and sys.stdin is not None and sys.stdin.isatty():
        print("type lines of text; Ctrl-D ends", file=sys.stderr)
        batch_size = 1
    context, source = kernels_for_lines(lm, _lines(lines, file, skip), batch_size, kernels, threads)
    with context, pictures(html, png) as drawn:
        lm = adaptation.applied(lm, folder)
        scored = drawn.scores(_scored(lm, drawn.lines(source), layout, Reading(batch_size, eos, wanted)))
        first = list(islice(scored, 1))  # what cannot be read at all is found out before anything is written
        _write(FORMATS[shown].write(chain(first, scored), layout))


def _lines(given: list[str] | None, file: str, skip: bool) -> Iterator[str | None]:
    """The lines of text; None for one that cannot be read, if those are to be skipped."""
    if given:
        return (line for argument in given for line in argument.split("\n"))
    return _noted(lines_or_faults(file)) if skip else read_lines(file)


def _noted(lines: Iterator[str | InputError]) -> Iterator[str | None]:
    for line in lines:
        if isinstance(line, InputError):
            print(f"weft: skipped: {line}", file=sys.stderr)
        yield None if isinstance(line, InputError) else line


class Reading(NamedTuple):
    """How lines are read, in either mode."""

    batch_size: int | None
    eos: bool
    wanted: Wanted


def _scored(
    lm: LanguageModel, lines: Iterable[str | None], layout: Layout, reading: Reading
) -> Iterator[list[TokenScore]]:
    """The scores of each line; in both modes, one after the other, if the layout has both."""
    if not layout.modes:
        return (lm.score_running if layout.running else lm.score_lines)(lines, *reading)
    apart, together = tee(lines)
    pairs = zip(lm.score_lines(apart, *reading), lm.score_running(together, *reading), strict=True)
    return chain.from_iterable(pairs)


def _write(chunks: Iterator[str]) -> None:
    for chunk in chunks:
        if chunk:
            sys.stdout.write(chunk)
            sys.stdout.flush()

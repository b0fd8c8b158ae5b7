"""`weft compare`: the perplexities of several models on one text, overall and by context length."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from weft.commands.evaluation_rows import evaluation_rows, note_on_unknown_words
from weft.commands.options.completion import completing, runs_here
from weft.commands.options.declaration import choice_option, option, whole_number_option
from weft.commands.options.run import chosen_run
from weft.commands.options.speed import kernels_of
from weft.commands.options.text import MarkerOption, SplitOption, check_split, with_marker
from weft.commands.options.text_chunks import load_with_text, text_chunks
from weft.commands.options.values import at_least_one, one_of
from weft.commands.options.writable import check_writable
from weft.comparison.baselines import KNOWN, Baseline, trained_baseline
from weft.comparison.context_curve import draw_context_curve
from weft.comparison.context_length import Measured, TextSample, measure
from weft.comparison.scorers import RecurrentScorer, Scorer, UnigramScorer
from weft.comparison.spooled_text import spooled
from weft.comparison.window_baseline import is_trained
from weft.errors import InputError
from weft.evaluation.evaluate import Evaluation
from weft.language_model import LanguageModel, load
from weft.presentation.streams import write_rows
from weft.presentation.tables import Column, Row, write_drawn
from weft.run_folder import COMPARISON, CONFIG, is_locked, locked
from weft.runs.reporting import OnStream

FORMATS = ("table", "tsv")
NUMBERS = (
    "tokens", "oov_tokens", "nats_per_token", "bits_per_token", "perplexity_including_oov", "perplexity_excluding_oov",
    "bits_per_character", "bits_per_byte", "perplexity_per_word",
)  # fmt: skip
"""The rows of `weft eval` that are columns here."""

HEADER = ("model", "text", "context_tokens", *NUMBERS)


def compare(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN|TEXT",
            help="Run folders, and the text as for `weft eval`.  [default: the newest run, its own held-out text]",
            show_default=False,
            **completing(runs_here),
        ),
    ] = None,
    baseline: Annotated[
        list[str] | None,
        option(
            "kn1 to kn5: interpolated modified Kneser-Ney of that order; window4: a neural model of the last 4 tokens, "
            "trained with the settings of the run and kept in its folder; none. May be repeated.",
            metavar="NAME",
            default="kn5, and window4 once it is trained",
            **completing(lambda: [*KNOWN, "none"]),
        ),
    ] = None,
    split: SplitOption = None,
    line_end_marker: MarkerOption = None,
    format: Annotated[
        str | None, choice_option(FORMATS, "The output format.", default="table on a terminal, tsv elsewhere")
    ] = None,
    png: Annotated[
        Path | None,
        option("The picture.", metavar="FILE", default=f"{COMPARISON} in the first run's folder"),
    ] = None,
    sample: Annotated[
        int, whole_number_option("Tokens in the sample that is predicted from contexts of each length.")
    ] = 2000,
    longest: Annotated[int, whole_number_option("The longest of these contexts, in tokens.")] = 100,
) -> None:
    """Compare models by perplexity, overall and by context length.

    The baselines are trained on the training text of the first run; window4, which takes as long as the run, only if it
    is named. In the second part every model predicts the same sampled tokens from their last 0, 1, 2, 3, 5, 10, ...
    tokens alone, each time from a fresh state.

    Examples:
      weft compare
      weft compare runs/lstm runs/gru my.txt
      weft compare runs/lstm --baseline kn5 --baseline window4
    """
    at_least_one(sample=sample, longest=longest)
    shown = one_of("--format", format or ("table" if sys.stdout.isatty() else "tsv"), FORMATS)
    check_split(split)
    chosen = _baselines(baseline)
    runs, text = _runs_and_text(names or [])
    lm, own_text = load_with_text(runs[0], text, split)
    models = {runs[0]: lm, **{run: load(run) for run in runs[1:]}}
    _check_one_vocabulary(models)
    picture = png or runs[0] / COMPARISON
    check_writable(picture, "the picture")
    if png is None and is_locked(runs[0]):
        raise InputError(f"{runs[0]} is being written by another process: name a --png file elsewhere, or wait")
    reporter = OnStream(sys.stderr)
    baselines = _by_default(runs[0], lm, reporter) if chosen is None else chosen
    reads = with_marker(lm, line_end_marker)
    with text_chunks(reads, own_text, text, split) as chunks, spooled(chunks) as (ids, oov):
        tokens = TextSample.drawn(ids, oov, lm.tokenizer.eos_id, sample, longest)
        scorers: list[Scorer] = [
            RecurrentScorer(str(run), model.model, model.tokenizer.eos_id) for run, model in models.items()
        ]
        scorers += [trained_baseline(each, runs[0], lm, reporter) for each in baselines]
        scorers.append(UnigramScorer(lm.tokenizer.counts))
        measured = []
        for scorer in scorers:
            reporter.note(
                f"{scorer.name}: scoring {len(tokens.ids):,} tokens, and {len(tokens.positions):,} by their context"
            )
            with kernels_of(lm):
                losses = measure(scorer, tokens)
            measured.append(replace(losses, whole=replace(losses.whole, size=chunks.size)))
    if (unknown := note_on_unknown_words(measured[0].whole)) is not None:
        reporter.note(unknown)
    try:
        print_table(measured) if shown == "table" else print_tsv(measured)
    finally:  # the picture is drawn even if the reader of standard output has closed it
        with locked(runs[0]) if png is None else nullcontext():
            draw_context_curve(picture, measured)
    reporter.note(f"the picture is in {picture}")


def _baselines(names: list[str] | None) -> list[Baseline] | None:
    """The baselines named; None if none are, so that they are chosen for the run."""
    if not names:
        return None
    if names == ["none"]:
        return []
    if "none" in names:
        raise InputError("--baseline none excludes the others: give it alone, or leave it out")
    return [Baseline.named(name) for name in dict.fromkeys(names)]


def _by_default(run: Path, lm: LanguageModel, reporter: OnStream) -> list[Baseline]:
    """kn5, which takes seconds, and window4 if it is trained: a command that is not asked to train does not."""
    ngram, window = Baseline.named("kn5"), Baseline.named("window4")
    if is_trained(window.size, run, lm):
        return [ngram, window]
    epochs = lm.config.training.epochs
    reporter.note(
        f"without {window.name}, a neural baseline that is not trained yet: --baseline {ngram.name} --baseline "
        f"{window.name} trains it, for up to {epochs:,} epoch{'s' * (epochs != 1)} as {run} was, and keeps it"
    )
    return [ngram]


def _runs_and_text(names: list[str]) -> tuple[list[Path], list[str]]:
    """The names that are run folders, and the others, which name the text."""
    runs = [Path(name) for name in dict.fromkeys(names) if (Path(name) / CONFIG).is_file()]
    text = [name for name in names if not (Path(name) / CONFIG).is_file()]
    for name in text:
        if name.endswith((".arpa", ".arpa.gz")):
            raise InputError(f"{name} is an n-gram model: `weft ngram eval` measures it, `weft mix` mixes it with runs")
    from_environment = os.environ.get("WEFT_RUN")
    return runs or [chosen_run(Path(from_environment) if from_environment else None)], text


def _check_one_vocabulary(models: dict[Path, LanguageModel]) -> None:
    (first, lm), *others = models.items()
    for run, other in others:
        ours, theirs = lm.tokenizer, other.tokenizer
        if (ours.kind, ours.lowercase, ours.tokens) != (theirs.kind, theirs.lowercase, theirs.tokens):
            raise InputError(
                f"{first} and {run} have different vocabularies, so their perplexities are of different tokens and "
                "cannot be compared: compare runs that were trained on the same text with the same tokenizer"
            )


def print_tsv(measured: Sequence[Measured]) -> None:
    """One row for each model and context: the whole text, then the sample by context length and with all context."""
    rows: list[tuple[str, ...]] = [HEADER]
    for model in measured:
        rows.append(_row(model.name, "whole", "all", model.whole))
        rows += [_row(model.name, "sample", str(length), found) for length, found in model.by_context.items()]
        rows.append(_row(model.name, "sample", "all", model.sample))
    write_rows(*rows)


def _row(name: str, text: str, context: str, evaluation: Evaluation) -> tuple[str, ...]:
    found = dict(evaluation_rows(evaluation))
    return (name, text, context, *(found.get(column, "") for column in NUMBERS))


def print_table(measured: Sequence[Measured]) -> None:
    """One column for each model, one row for each context."""
    whole, sample = measured[0].whole, measured[0].sample
    columns = [Column("context in tokens", label=True), *(Column(model.name, numbers=True) for model in measured)]
    rows = [_perplexities(f"all: the whole text, {whole.loss.tokens:,} tokens", [each.whole for each in measured])]
    if whole.oov_loss.tokens:
        known = [model.whole.perplexity_without_oov for model in measured]
        shown = ["" if value is None else f"{value:,.2f}" for value in known]
        rows.append(Row([f"… without the {whole.oov_loss.tokens:,} OOV", *shown]))
    per_character = [model.whole.bits_per_character for model in measured]
    if None not in per_character:
        rows.append(Row(["… in bits per character", *(f"{value:,.4f}" for value in per_character)]))
    rows[-1] = Row(rows[-1].fields, ends_section=True)
    rows += [
        _perplexities(f"{length:,}", [model.by_context[length] for model in measured])
        for length in measured[0].by_context
    ]
    rows.append(_perplexities(f"all: the same sample of {sample.loss.tokens:,}", [each.sample for each in measured]))
    write_drawn(columns, rows, "perplexity per token")


def _perplexities(context: str, evaluations: Sequence[Evaluation]) -> Row:
    return Row([context, *(f"{evaluation.perplexity:,.2f}" for evaluation in evaluations)])

"""`weft syntaxgym`: test suites of SyntaxGym, evaluated with one or several models."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from weft.commands.help import OUTPUT, TEXT
from weft.commands.options.declaration import choice_option, option, with_options
from weft.commands.options.run import RunsOption, chosen_runs
from weft.commands.options.scoring import ScoringOptions
from weft.commands.options.values import one_of
from weft.commands.options.writable import check_writable
from weft.commands.suite_output import accuracy_plot, draw_table, result_rows
from weft.errors import InputError
from weft.files import write_text_atomically
from weft.presentation.records import json_text
from weft.presentation.streams import note, write, write_rows
from weft.stimuli.alignment import placed_sentences, read_surprisals
from weft.stimuli.suite import Suite, read_suite
from weft.stimuli.syntaxgym import EvaluatedSuite, evaluate_suite, score_suites

FORMATS, ROWS = ("table", "tsv", "json"), ("predictions", "items", "regions")


@with_options
def syntaxgym(
    suites: Annotated[list[Path], typer.Argument(metavar="SUITE", help="JSON files of suites.")],
    runs: RunsOption = None,
    scores: Annotated[
        list[Path] | None,
        option(
            "Surprisals of another program in place of a run: a table as of `weft score --format lm-zoo`, with the "
            "sentences of all suites in order; may be repeated.",
            metavar="FILE",
            group=TEXT,
        ),
    ] = None,
    words: Annotated[
        bool, option("Surprisals of words even if the tokens are parts of words.", "--words", group=TEXT)
    ] = False,
    eos: Annotated[bool, option("The line end belongs to the last region.", "--eos", group=TEXT)] = False,
    format: Annotated[
        str | None,
        choice_option(
            FORMATS,
            "json: each suite on one line with the metrics of its regions.",
            default="table on a terminal, tsv elsewhere",
            group=OUTPUT,
        ),
    ] = None,
    rows: Annotated[
        str, choice_option(ROWS, "Rows of tsv: accuracies of predictions, results of items, or regions.", group=OUTPUT)
    ] = ROWS[0],
    out: Annotated[
        Path | None, option("Write each evaluated suite to FOLDER/MODEL/SUITE.json.", metavar="FOLDER", group=OUTPUT)
    ] = None,
    png: Annotated[Path | None, option("Draw the accuracy on each suite.", metavar="FILE", group=OUTPUT)] = None,
    *,
    scoring: ScoringOptions,
) -> None:
    """Evaluate test suites of SyntaxGym with one or several models.

    The surprisals of the tokens of a region are added, or combined by the metric of the suite, in bits. A prediction is
    a formula about regions, and its accuracy the share of items for which it holds, with the 95% interval of Wilson;
    'all' is the conjunction of a suite's predictions.

    Examples:
      weft syntaxgym suites/number_prep.json
      weft syntaxgym suites/*.json --run runs/lstm \\
        --run runs/gru --png accuracy.png
      weft syntaxgym suites/*.json --rows regions > regions.tsv
      weft syntaxgym suite.json --scores gpt2.tsv --out results/
    """
    shown = one_of("--format", format or ("table" if sys.stdout.isatty() else "tsv"), FORMATS)
    chosen_rows = one_of("--rows", rows, ROWS)
    if chosen_rows != ROWS[0] and shown != "tsv":
        raise InputError(f"--rows {chosen_rows} is for the format tsv, not for {shown}")
    if png is not None:
        check_writable(png, "the picture")
    read = {path: read_suite(path) for path in dict.fromkeys(suites)}
    _check_names(list(read), out)
    models = _models(runs, scores)
    results: list[EvaluatedSuite] = []
    for model, source in models.items():
        if source in (scores or ()):
            found = _from_table(list(read.values()), source, model)
        else:
            found = score_suites(
                scoring.scorer(source), list(read.values()), model, words=words, eos=eos, batch_size=scoring.batch_size
            )
        for path, result in zip(read, found, strict=True):
            results.append(result)
            if out is not None:
                _write_suite(out, model, path, result)
            if shown == "json":
                write(json_text(result.as_json()) + "\n")
        _note_unknown(results[-len(read) :])
    if shown == "table":
        draw_table(results, list(models))
    elif shown == "tsv":
        write_rows(*result_rows(results, chosen_rows))
    if png is not None:
        for line in accuracy_plot(results, list(models)).draw(png):
            note(f"{png}: {line}")


def _models(runs: Sequence[Path] | None, scores: Sequence[Path] | None) -> dict[str, Path]:
    """The run folders and tables by the name of the model."""
    tables = list(dict.fromkeys(scores or ()))
    models = {} if tables and not runs else chosen_runs(runs)
    for path in tables:
        name = path.name.partition(".")[0]
        models[str(path) if name in models else name] = path
    return models


def _check_names(paths: list[Path], out: Path | None) -> None:
    """Raise InputError if two suites would be written to one file."""
    if out is None:
        return
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file: name a folder for the evaluated suites")
    names: dict[str, Path] = {}
    for path in paths:
        other = names.setdefault(_stem(path), path)
        if other != path:
            raise InputError(f"{other} and {path} would both be written as {_stem(path)}.json: evaluate them apart")


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".json")


def _from_table(suites: Sequence[Suite], table: Path, model: str) -> Iterator[EvaluatedSuite]:
    """The results of the surprisals in a table; raises InputError if it is not of these sentences."""
    surprisals = read_surprisals(str(table))
    sentences = (sentence for suite in suites for sentence in suite.sentences())
    try:
        placed = placed_sentences(sentences, surprisals)
        for suite in suites:
            yield evaluate_suite(suite, placed, model)
    except InputError as error:
        raise InputError(f"{table}: {str(error).removeprefix(f'{table}: ')}") from None
    if next(surprisals, None) is not None:
        raise InputError(f"{table} has more sentences than the suites")


def _write_suite(out: Path, model: str, path: Path, result: EvaluatedSuite) -> None:
    folder = out / model.replace("/", "_").replace("\\", "_")
    folder.mkdir(parents=True, exist_ok=True)
    write_text_atomically(folder / f"{_stem(path)}.json", json_text(result.as_json(), indent=4) + "\n")


def _note_unknown(results: Sequence[EvaluatedSuite]) -> None:
    unknown, items = sum(each.items_with_unknown for each in results), sum(len(each.items) for each in results)
    if unknown:
        note(
            f"{results[0].model}: {unknown:,} of {items:,} items have words outside the vocabulary, scored as <unk>, "
            "in a region of a prediction; --format json and --rows regions name them"
        )

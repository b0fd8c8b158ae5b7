"""`weft mix`: a mixture of several models, with the weights under which a held-out text is likeliest."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated

import typer

from weft.commands.evaluation_rows import evaluation_rows
from weft.commands.options.completion import completing, runs_here, texts
from weft.commands.options.declaration import option
from weft.commands.options.speed import BatchSize, kernels_of
from weft.commands.options.text import MarkerOption, open_text
from weft.commands.options.values import at_least_one
from weft.errors import InputError
from weft.mixture.members import ArpaMember, RunMember, check_same_tokens, common_marker, open_member
from weft.mixture.reading import MixtureEvaluation, evaluate_mixture, fit
from weft.mixture.weights import Floats
from weft.presentation.records import decimal
from weft.presentation.streams import write_rows
from weft.runs.reporting import OnStream
from weft.word_ngram import unreachable_words

NUMBERS = ("tokens", "oov_tokens", "perplexity_including_oov", "perplexity_excluding_oov")
"""The rows of `weft eval` that are columns here."""

HEADER = ("text", "model", "weight", *NUMBERS)


def mix(
    models: Annotated[
        list[Path],
        typer.Argument(
            metavar="MODEL",
            help="Two or more run folders and ARPA files.",
            show_default=False,
            **completing(runs_here),
        ),
    ],
    held_out: Annotated[
        list[str],
        option(
            "The text on which the weights are fitted, one that no model was trained on; of a corpus its valid text. "
            "May be repeated.",
            "--fit",
            metavar="TEXT",
            autocompletion=texts,
        ),
    ],
    text: Annotated[
        list[str] | None,
        option(
            "The text to measure; of a corpus its test text. May be repeated.", metavar="TEXT", autocompletion=texts
        ),
    ] = None,
    line_end_marker: MarkerOption = None,
    batch_size: BatchSize = 16,
) -> None:
    """Fit the weights of a mixture of models and measure it.

    The probability of a token is the weighted mean of the models' probabilities; the weights are those under which the
    text of --fit is likeliest. Runs read running text, n-gram models each line separately, and all models predict the
    same tokens. Texts are named as for the other commands: files, folders, globs, .gz, '-', 'builtin', a corpus.

    Examples:
      weft mix runs/mine my.arpa --fit valid.txt
      weft mix runs/a runs/b --fit valid.txt --text test.txt
    """
    at_least_one(batch_size=batch_size)
    if len(models) < 2:
        raise InputError(f"a mixture needs at least two models, got {models[0]} alone")
    if "-" in held_out and "-" in (text or []):
        raise InputError("standard input ('-') is given for --fit and for --text, but can be read only once")
    reporter = OnStream(sys.stderr)
    members = [open_member(model, batch_size) for model in models]
    check_same_tokens(members)
    marker = common_marker(members) if line_end_marker is None else line_end_marker
    texts = {"fit": open_text(held_out, "valid", reporter, marker)}
    if text:
        texts["text"] = open_text(text, "test", reporter, marker)
    for member in members:
        for note in unreachable_words(member.name, member.tokenizer):
            reporter.note(note)
    with _kernels(members):
        with reporter.reading("fitting", texts["fit"].size_in_bytes) as on_bytes:
            weights = fit(members, texts["fit"], on_bytes).values
        rows: list[tuple[str, ...]] = []
        for name, corpus in texts.items():
            with reporter.reading("reading", corpus.size_in_bytes) as on_bytes:
                result = evaluate_mixture(members, weights, corpus, on_bytes)
            _note_vocabularies(reporter, name, result)
            for note in corpus.notes():
                reporter.note(note)
            rows += _rows(name, members, weights, result)
    write_rows(HEADER, *rows)


def _rows(
    name: str, members: list[RunMember | ArpaMember], weights: Floats, result: MixtureEvaluation
) -> list[tuple[str, ...]]:
    names = [*(member.name for member in members), "mixture"]
    shown = [*map(decimal, weights), ""]
    found = [dict(evaluation_rows(evaluation)) for evaluation in (*result.members, result.mixture)]
    return [
        (name, model, weight, *(numbers[column] for column in NUMBERS))
        for model, weight, numbers in zip(names, shown, found, strict=True)
    ]


def _note_vocabularies(reporter: OnStream, name: str, result: MixtureEvaluation) -> None:
    if result.disagreeing:
        reporter.note(
            f"{name}: {result.disagreeing:,} of {result.mixture.loss.tokens:,} tokens are words that some models "
            "know and others do not; these give them the probability of all unknown words together, so compare the "
            "perplexities that exclude OOV words"
        )


def _kernels(members: list[RunMember | ArpaMember]) -> AbstractContextManager[None]:
    """The fused kernels if they are available and a model was trained on them."""
    for member in members:
        if isinstance(member, RunMember) and member.lm.config.training.kernels == "fused":
            return kernels_of(member.lm)
    return nullcontext()

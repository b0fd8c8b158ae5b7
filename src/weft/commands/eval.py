"""`weft eval`: the perplexity of a text."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

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
from weft.commands.options.kernels import KernelsOption, PrecisionOption, ThreadsOption, kernels_of
from weft.commands.options.run import RunOption, chosen_run
from weft.commands.options.text import TEXT_HELP, check_split, open_text
from weft.commands.options.types import OpenBatchSize, at_least_one, whole_number
from weft.commands.options.weights import WeightsOption, with_weights
from weft.errors import MissingFileError
from weft.evaluation.evaluate import Evaluation
from weft.evaluation.perplexity import mean_bits, mean_nats, perplexity
from weft.evaluation.unigram import unigram_loss
from weft.language_model import LanguageModel, load
from weft.layers import Loss
from weft.loss import NOTHING
from weft.run_folder import HELD_OUT, oov_path, tokens_path
from weft.runs.reporting import OnStream
from weft.text.tokens import open_tokens

PIECE = 1000
"""Tokens of a run's own text that are taken at a time: a few seconds where the weights follow the text."""

Chunks = Iterator[tuple[NDArray[Any], NDArray[np.bool_]]]


def evaluate_text(
    text: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TEXT",
            help=f"{TEXT_HELP}  [default: the run's own held-out text]",
            show_default=False,
        ),
    ] = None,
    run: RunOption = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(HELD_OUT),
            help="Which text of the run, or of a corpus.  [default: test, or valid where the run has no test text]",
            show_default=False,
        ),
    ] = None,
    batch_size: OpenBatchSize = None,
    bptt: Annotated[
        int | None,
        typer.Option(
            parser=whole_number,
            metavar="N",
            help="Tokens in a block; the speed changes, the numbers do not.  [default: 64]",
            show_default=False,
        ),
    ] = None,
    kernels: KernelsOption = "auto",
    threads: ThreadsOption = None,
    precision: PrecisionOption = "float32",
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
    """The perplexity of a text.

    Every token is predicted once, from all that stands before it. Tokens out of the vocabulary (OOV) are counted apart.
    With --dynamic or --cache the model adapts to the text from its beginning to its end, token after token; every token
    is predicted before it is learnt from.
    """
    check_split(split)
    at_least_one(batch_size=batch_size, bptt=bptt)
    adaptation = AdaptationOptions(
        dynamic, dynamic_rule, dynamic_lr, dynamic_decay, dynamic_block, cache, cache_weight, cache_flatness
    )
    adaptation.check(weights, batch_size=batch_size, bptt=bptt)
    folder = chosen_run(run)
    lm = with_weights(load(folder), weights)
    unigram = _Unigram(lm)
    with text_chunks(lm, folder, text or [], split) as chunks, kernels_of(lm, kernels, threads, precision):
        result = adaptation.applied(lm, folder).evaluate_chunks(unigram.watch(chunks), batch_size, bptt)
    for name, value in rows(result, unigram.loss):
        typer.echo(f"{name}\t{value}")


def rows(result: Evaluation, unigram: Loss | None) -> list[tuple[str, str]]:
    """The numbers of an evaluation by name, with their units; that of the unigram model is empty if it is None."""
    known = result.perplexity_without_oov
    return [
        ("tokens", str(result.loss.tokens)),
        ("oov_tokens", str(result.oov_loss.tokens)),
        ("total_nats", f"{result.loss.nats:.4f}"),
        ("nats_per_token", f"{mean_nats(result.loss):.6f}"),
        ("bits_per_token", f"{mean_bits(result.loss):.6f}"),
        ("perplexity_including_oov", f"{result.perplexity:.4f}"),
        ("perplexity_excluding_oov", "" if known is None else f"{known:.4f}"),
        ("unigram_perplexity", "" if unigram is None else f"{perplexity(unigram):.4f}"),
    ]


class _Unigram:
    """Adds up what the text costs the unigram model while it passes by."""

    def __init__(self, lm: LanguageModel) -> None:
        self.counts, self.loss = lm.tokenizer.counts, NOTHING

    def watch(self, chunks: Chunks) -> Chunks:
        for ids, oov in chunks:
            self.loss = self.loss.plus(unigram_loss(self.counts, [ids]))
            yield ids, oov


@contextmanager
def text_chunks(lm: LanguageModel, run: Path, text: list[str], split: str | None) -> Iterator[Chunks]:
    """The tokens of the text named, or of the run's own, with progress on standard error."""
    reporter = OnStream(sys.stderr)
    if not text:
        chosen = split or _own_split(run)
        reporter.note(f"the {chosen} text of {run}")
        ids, oov = _own_text(run, chosen)
        with reporter.counting("reading", len(ids)) as on_tokens:
            yield _pieces(ids, oov, on_tokens)
        return
    corpus = open_text(text, split or "test", reporter)
    with reporter.reading("reading", corpus.size_in_bytes) as on_bytes:
        yield lm.chunks(corpus.pieces(on_bytes))


def _own_split(run: Path) -> str:
    for split in ("test", "valid"):
        if tokens_path(run, split).exists():
            return split
    raise MissingFileError(f"{run} has no text of its own that was held out: name a text to evaluate")


def _own_text(run: Path, split: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """The token ids of a held-out text of the run, and which stand for unknown words: maps of files."""
    if not tokens_path(run, split).exists():
        raise MissingFileError(f"{run} has no {split} text: name a text in its place, or another --split")
    return open_tokens(tokens_path(run, split)), open_tokens(oov_path(run, split))


def _pieces(ids: NDArray[Any], oov: NDArray[Any], on_tokens: Callable[[int], None] | None) -> Chunks:
    """The same text in pieces; `on_tokens` is told of those that have been asked for."""
    for start in range(0, len(ids), PIECE):
        piece = slice(start, start + PIECE)
        if on_tokens:
            on_tokens(start)
        yield ids[piece].astype(int), oov[piece].astype(bool)

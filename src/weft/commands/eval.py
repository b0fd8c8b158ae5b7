"""`weft eval`: the perplexity of a text."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from weft.commands.data import fetch_with_bar
from weft.commands.run_option import RunOption, chosen_run
from weft.errors import InputError, MissingFileError, nearest
from weft.evaluation.evaluate import Evaluation, evaluate
from weft.evaluation.perplexity import mean_bits, mean_nats, perplexity
from weft.evaluation.unigram import unigram_loss
from weft.language_model import LanguageModel, load
from weft.layers import Loss
from weft.layers.softmax import NOTHING
from weft.reporting import OnStream
from weft.run_folder import HELD_OUT, oov_path, tokens_path
from weft.text.corpus import open_corpus
from weft.text.named import named_corpus
from weft.text.tokens import open_tokens

Chunks = Iterator[tuple[NDArray[Any], NDArray[np.bool_]]]


def evaluate_text(
    text: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files, folders, globs, .gz, '-', or a named corpus. [default: the run's own held-out text]"
        ),
    ] = None,
    run: RunOption = None,
    split: Annotated[
        str, typer.Option(help="Which held-out text of the run, or of a named corpus: valid or test.")
    ] = "test",
    batch_size: Annotated[int, typer.Option(help="Streams read side by side; does not change the numbers.")] = 16,
    bptt: Annotated[int, typer.Option(help="Tokens in a block; does not change the numbers.")] = 64,
) -> None:
    """The perplexity of a text: every token predicted once, from all that stands before it."""
    if split not in HELD_OUT:
        raise InputError(f"--split must be one of {', '.join(HELD_OUT)}, got {split!r}{nearest(split, HELD_OUT)}")
    folder = chosen_run(run)
    lm = load(folder)
    reporter = OnStream(sys.stderr)
    unigram = _Unigram(lm)
    if text:
        corpus = open_corpus(_sources(text, split))
        with reporter.reading("reading", corpus.size_in_bytes) as on_bytes:
            result = evaluate(
                lm.model, unigram.watch(lm.chunks(corpus.pieces(on_bytes))), *_reading(lm, batch_size, bptt)
            )
    else:
        result = evaluate(lm.model, unigram.watch(_own_text(folder, split)), *_reading(lm, batch_size, bptt))
    for name, value in rows(result, unigram.loss):
        typer.echo(f"{name}\t{value}")


def rows(result: Evaluation, unigram: Loss) -> list[tuple[str, str]]:
    """The numbers of an evaluation by name, with their units."""
    known = result.perplexity_without_oov
    return [
        ("tokens", str(result.loss.tokens)),
        ("oov_tokens", str(result.oov_loss.tokens)),
        ("total_nats", f"{result.loss.nats:.4f}"),
        ("nats_per_token", f"{mean_nats(result.loss):.6f}"),
        ("bits_per_token", f"{mean_bits(result.loss):.6f}"),
        ("perplexity_including_oov", f"{result.perplexity:.4f}"),
        ("perplexity_excluding_oov", "" if known is None else f"{known:.4f}"),
        ("unigram_perplexity", f"{perplexity(unigram):.4f}"),
    ]


class _Unigram:
    """Adds up what the text costs the unigram model while it passes by."""

    def __init__(self, lm: LanguageModel) -> None:
        self.counts, self.loss = lm.tokenizer.counts, NOTHING

    def watch(self, chunks: Chunks) -> Chunks:
        for ids, oov in chunks:
            self.loss = self.loss.plus(unigram_loss(self.counts, [ids]))
            yield ids, oov


def _reading(lm: LanguageModel, batch_size: int, bptt: int) -> tuple[int, int, int]:
    return lm.tokenizer.eos_id, batch_size, bptt


def _sources(text: list[str], split: str) -> list[str | Path]:
    if len(text) == 1 and named_corpus(text[0]) is not None and not Path(text[0]).exists():
        files = fetch_with_bar(text[0])
        if split not in files:
            raise InputError(f"the corpus {text[0]} has no {split} text; it has {', '.join(files)}")
        return [files[split]]
    return list(text)


def _own_text(run: Path, split: str) -> Chunks:
    path = tokens_path(run, split)
    if not path.exists():
        other = next((name for name in HELD_OUT if tokens_path(run, name).exists()), None)
        hint = f"; it has --split {other}" if other else ""
        raise MissingFileError(f"{run} has no {split} text{hint}; or name a text to evaluate")
    ids, oov = open_tokens(path), open_tokens(oov_path(run, split))
    size = 1 << 16
    for start in range(0, len(ids), size):
        yield ids[start : start + size].astype(int), oov[start : start + size].astype(bool)

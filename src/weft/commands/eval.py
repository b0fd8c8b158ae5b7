"""`weft eval`: the perplexity of a text."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from weft.commands.evaluation_rows import evaluation_rows, note_on_unknown_words
from weft.commands.help import SPEED
from weft.commands.options.adaptation import AdaptationOptions
from weft.commands.options.declaration import whole_number_option, with_options
from weft.commands.options.run import RunOption, chosen_run
from weft.commands.options.speed import (
    KernelsOption,
    OptionalBatchSize,
    PrecisionOption,
    ThreadsOption,
    kernels_of,
)
from weft.commands.options.text import MarkerOption, OptionalText, SplitOption, check_split, with_marker
from weft.commands.options.text_chunks import Chunks, load_with_text, text_chunks
from weft.commands.options.values import at_least_one
from weft.commands.options.weights import WeightsOption, with_weights
from weft.evaluation.unigram import unigram_loss
from weft.language_model import LanguageModel
from weft.loss import NOTHING
from weft.presentation.streams import note, write_rows


@with_options
def evaluate_text(
    adaptation: AdaptationOptions,
    text: OptionalText = None,
    run: RunOption = None,
    split: SplitOption = None,
    line_end_marker: MarkerOption = None,
    batch_size: OptionalBatchSize = None,
    bptt: Annotated[
        int | None,
        whole_number_option("Tokens in a block; the numbers do not depend on it.", default="64", group=SPEED),
    ] = None,
    kernels: KernelsOption = "auto",
    threads: ThreadsOption = None,
    precision: PrecisionOption = "float32",
    weights: WeightsOption = "float32",
) -> None:
    """Compute the perplexity of a text.

    Every token is predicted once, from all tokens before it. Tokens out of the vocabulary (OOV) are counted separately.
    With --dynamic or --cache the model adapts to the text token by token: every token is predicted before the model
    learns from it.

    Examples:
      weft eval
      weft eval my.txt --run runs/mine
      weft eval my.txt --dynamic --cache 2000
    """
    check_split(split)
    at_least_one(batch_size=batch_size, bptt=bptt)
    adaptation.check(weights, batch_size=batch_size, bptt=bptt)
    folder = chosen_run(run)
    loaded, own_text = load_with_text(folder, text or [], split)
    lm = with_weights(with_marker(loaded, line_end_marker), weights)
    unigram = _Unigram(lm)
    with text_chunks(lm, own_text, text or [], split) as chunks, kernels_of(lm, kernels, threads, precision):
        result = adaptation.adapted(lm, folder).evaluate_chunks(unigram.counting(chunks), batch_size, bptt)
    result = replace(result, size=chunks.size)
    if (unknown := note_on_unknown_words(result)) is not None:
        note(unknown)
    write_rows(*evaluation_rows(result, unigram.loss))


class _Unigram:
    """Adds up the loss of the unigram model while the chunks of a text are read."""

    def __init__(self, lm: LanguageModel) -> None:
        self.counts, self.loss = lm.tokenizer.counts, NOTHING

    def counting(self, chunks: Chunks) -> Chunks:
        for ids, oov in chunks:
            self.loss = self.loss.plus(unigram_loss(self.counts, [ids]))
            yield ids, oov

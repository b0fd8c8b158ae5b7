"""The result of a training as lines of text."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from weft.evaluation.evaluate import evaluate_tokens
from weft.evaluation.perplexity import mean_bits, perplexity
from weft.evaluation.unigram import unigram_loss
from weft.language_model import LanguageModel
from weft.loss import Loss
from weft.run_folder import held_out_texts, oov_path, size_of, text_of
from weft.runs.kernel_warmup import exact_kernels
from weft.runs.recipes import TEST_BITS, TEST_BITS_PER_CHARACTER, TEST_PERPLEXITY, TRAINING_PERPLEXITY
from weft.runs.reporting import loss_is_estimated
from weft.runs.train import Trained
from weft.text.tokens import TokenIds, open_tokens, token_chunks
from weft.training.progress import perplexity_text

BATCH_SIZE = 16
TITLES = {"valid": "validation", "test": "test"}


def final_losses(trained: Trained) -> dict[str, Loss]:
    """Split -> loss: of the best model on the held-out texts 'valid' and 'test', and of the last epoch in 'train'."""
    losses: dict[str, Loss] = {}
    for split in held_out_texts(trained.run):
        if split == "valid" and trained.result.best is not None:
            losses[split] = trained.result.best
        elif (ids := text_of(trained.run, split)) is not None:
            losses[split] = _exact_loss(trained.model, ids)
    if trained.result.train is not None:
        losses["train"] = trained.result.train
    return losses


def _exact_loss(lm: LanguageModel, ids: TokenIds) -> Loss:
    with exact_kernels(lm.config.training):
        return evaluate_tokens(lm.model, ids, lm.tokenizer.eos_id, BATCH_SIZE)


def summary(trained: Trained, losses: dict[str, Loss]) -> list[str]:
    """How the training ended, and the perplexity of the best model on each held-out text."""
    steps = trained.result.step
    lines = [f"{trained.result.outcome} after {steps:,} step{'s' * (steps != 1)}; the best model is in {trained.run}"]
    counts = trained.model.tokenizer.counts
    for split, title in TITLES.items():
        ids = text_of(trained.run, split)
        if split in losses and ids is not None:
            lines.append(
                f"{title} perplexity {perplexity_text(perplexity(losses[split]))} over {losses[split].tokens:,} tokens "
                f"(unigram: {perplexity_text(perplexity(unigram_loss(counts, token_chunks(ids))))})"
            )
            lines += _by_size(trained.run, split, losses[split])
    if len(lines) == 1 and "train" in losses:
        estimated = " (estimated from samples)" if loss_is_estimated(trained.model.model) else ""
        lines.append(
            f"training perplexity {perplexity_text(perplexity(losses['train']))}{estimated}; nothing was held out"
        )
        lines.append(
            "(the mean of the last epoch, while the weights changed, with dropout, and the text went on from its end "
            "to its beginning; `weft eval` reads it once, from a fresh start, so its perplexity differs)"
        )
    return lines


def _by_size(run: Path, split: str, loss: Loss) -> list[str]:
    """Bits per character and byte, and perplexity per word, as a line; none if the size of the text is unknown."""
    size = size_of(run, split)
    if size is None:
        return []
    unknown = int(sum(np.count_nonzero(marks) for marks in token_chunks(open_tokens(oov_path(run, split)))))
    bound = f", without the letters of {unknown:,} unknown word{'s' * (unknown != 1)}" if unknown else ""
    return [
        f"  {mean_bits(loss.over(size.characters)):.4g} bits per character, "
        f"{mean_bits(loss.over(size.bytes)):.4g} bits per byte, "
        f"perplexity {perplexity_text(perplexity(loss.over(size.words)))} per word{bound}"
    ]


def measured(measure: str, losses: dict[str, Loss], run: Path) -> float | None:
    """The value of one of `weft.runs.recipes.MEASURES`; None if its text is missing or the size of it is unknown."""
    if measure == TEST_BITS_PER_CHARACTER:
        size = size_of(run, "test")
        return mean_bits(losses["test"].over(size.characters)) if size and "test" in losses else None
    split, value = {
        TEST_PERPLEXITY: ("test", perplexity),
        TEST_BITS: ("test", mean_bits),
        TRAINING_PERPLEXITY: ("train", perplexity),
    }[measure]
    return value(losses[split]) if split in losses else None

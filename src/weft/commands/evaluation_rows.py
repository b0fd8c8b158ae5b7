"""The numbers of an evaluation as rows of text: what `weft eval` prints, and other commands print columns of."""

from __future__ import annotations

from weft.evaluation.evaluate import Evaluation
from weft.evaluation.perplexity import mean_bits, mean_nats, perplexity
from weft.loss import Loss
from weft.presentation.records import decimal


def evaluation_rows(result: Evaluation, unigram: Loss | None = None) -> list[tuple[str, str]]:
    """Names with their units, and values. A value that is undefined, or unknown (`unigram` None), is empty."""
    known = result.perplexity_without_oov
    return [
        ("tokens", str(result.loss.tokens)),
        ("oov_tokens", str(result.oov_loss.tokens)),
        ("total_nats", decimal(result.loss.nats, 4)),
        ("nats_per_token", decimal(mean_nats(result.loss))),
        ("bits_per_token", decimal(mean_bits(result.loss))),
        ("perplexity_including_oov", decimal(result.perplexity, 4)),
        ("perplexity_excluding_oov", "" if known is None else decimal(known, 4)),
        ("unigram_perplexity", "" if unigram is None else decimal(perplexity(unigram), 4)),
    ]

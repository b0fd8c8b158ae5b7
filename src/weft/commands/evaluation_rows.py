"""The numbers of an evaluation as rows of text: what `weft eval` prints, and other commands print columns of."""

from __future__ import annotations

from weft.evaluation.evaluate import Evaluation
from weft.evaluation.perplexity import mean_bits, mean_nats, perplexity
from weft.loss import Loss


def evaluation_rows(result: Evaluation, unigram: Loss | None = None) -> list[tuple[str, str]]:
    """Names with their units, and values. A value that is undefined, or unknown (`unigram` None), is empty."""
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

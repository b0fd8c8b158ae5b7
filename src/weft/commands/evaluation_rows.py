"""The numbers of an evaluation as rows of text: what `weft eval` prints, and other commands print columns of."""

from __future__ import annotations

from weft.evaluation.evaluate import Evaluation
from weft.evaluation.perplexity import mean_bits, mean_nats, perplexity
from weft.loss import Loss
from weft.presentation.records import decimal
from weft.text.size import TextSize


def evaluation_rows(result: Evaluation, unigram: Loss | None = None) -> list[tuple[str, str]]:
    """Names with their units, and values. A value that is undefined, or unknown (`unigram` None), is empty.

    The last rows are there only if the size of the text is known.
    """
    known = result.perplexity_without_oov
    rows = [
        ("tokens", str(result.loss.tokens)),
        ("oov_tokens", str(result.oov_loss.tokens)),
        ("total_nats", decimal(result.loss.nats, 4)),
        ("nats_per_token", decimal(mean_nats(result.loss))),
        ("bits_per_token", decimal(mean_bits(result.loss))),
        ("perplexity_including_oov", decimal(result.perplexity, 4)),
        ("perplexity_excluding_oov", "" if known is None else decimal(known, 4)),
        ("unigram_perplexity", "" if unigram is None else decimal(perplexity(unigram), 4)),
    ]
    return rows if result.size is None else [*rows, *_rows_of_size(result, result.size)]


def _rows_of_size(result: Evaluation, size: TextSize) -> list[tuple[str, str]]:
    return [
        ("characters", str(size.characters)),
        ("bytes", str(size.bytes)),
        ("words_and_line_ends", str(size.words)),
        ("bits_per_character", _decimal(result.bits_per_character)),
        ("bits_per_byte", _decimal(result.bits_per_byte)),
        ("perplexity_per_word", _decimal(result.perplexity_per_word, 4)),
    ]


def _decimal(value: float | None, digits: int = 6) -> str:
    return "" if value is None else decimal(value, digits)


def note_on_unknown_words(result: Evaluation) -> str | None:
    """That bits per character are a lower bound where the text has unknown words, as a line; None if it has none."""
    unknown = result.oov_loss.tokens
    if result.size is None or not unknown:
        return None
    return (
        f"bits per character and byte, and perplexity per word, are lower bounds: {unknown:,} unknown "
        f"{'words count' if unknown > 1 else 'word counts'} as <unk>, without the letters"
    )

"""`weft ngram train` and `weft ngram eval`: n-gram models of words, and ARPA files of any program."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from weft.commands.evaluation_rows import evaluation_rows
from weft.commands.options.completion import texts
from weft.commands.options.declaration import choice_option, option, whole_number_option
from weft.commands.options.text import TEXT_HELP, check_split, open_text, text_pieces
from weft.commands.options.writable import check_writable
from weft.errors import InputError
from weft.ngram.arpa_writer import check_words
from weft.ngram.counts import HIGHEST_ORDER, count_ngrams
from weft.ngram.discounts import FALLBACK, discounts
from weft.ngram.kneser_ney import interpolated
from weft.presentation.records import decimal
from weft.presentation.streams import write_rows
from weft.run_folder import HELD_OUT
from weft.runs.reporting import OnStream
from weft.text.corpus import Corpus
from weft.text.tokenizers.base import Tokenizer, encode_pieces
from weft.text.tokenizers.registry import fit_tokenizer
from weft.word_ngram import WordNGram, load_arpa, unreachable_words

NGramMarker = Annotated[
    str, option("A word of the text that ends a line, such as <eos>: it and the line end after it are one line end.")
]
TextArgument = Annotated[
    list[str], typer.Argument(metavar="TEXT", help=TEXT_HELP, show_default=False, autocompletion=texts)
]


def train_ngram(
    text: TextArgument,
    out: Annotated[Path, option("The ARPA file; compressed if its name ends in .gz.", "--out", "-o", metavar="FILE")],
    order: Annotated[int, whole_number_option(f"Length of the longest n-grams, 1 to {HIGHEST_ORDER}.")] = 5,
    vocab_size: Annotated[int | None, whole_number_option("Most words to keep.", default="all")] = None,
    min_count: Annotated[int, whole_number_option("Words that occur less often become <unk>.")] = 1,
    line_end_marker: NGramMarker = "",
    discount_fallback: Annotated[
        bool,
        option(
            f"Discount by {FALLBACK.one:g}, {FALLBACK.two:g} and {FALLBACK.more:g} where the text is too small or too "
            "regular to estimate discounts.",
            "--discount-fallback",
        ),
    ] = False,
    overwrite: Annotated[bool, option("Replace the file if it exists.", "--overwrite")] = False,
) -> None:
    """Count n-grams of words and write them as an ARPA file.

    The smoothing is interpolated modified Kneser-Ney (Chen & Goodman 1998) without pruning. The numbers are those of
    KenLM's lmplz, or very near to them. A word <unk> in the text is an ordinary word.

    Examples:
      weft ngram train my.txt --out my.arpa
      weft ngram train ptb --order 3 --out ptb.arpa.gz
    """
    if not 1 <= order <= HIGHEST_ORDER:
        raise InputError(f"--order must be from 1 to {HIGHEST_ORDER}, got {order}")
    _check_free(out, overwrite)
    reporter = OnStream(sys.stderr)
    corpus = open_text(text, "train", reporter, line_end_marker)
    with text_pieces(corpus, "reading words", reporter) as pieces:
        tokenizer = fit_tokenizer("word", pieces, vocab_size=vocab_size, min_count=min_count)
    check_words(tokenizer.tokens, tokenizer.eos_id)
    ids = _read(corpus, tokenizer, reporter)
    reporter.note(f"{len(ids):,} tokens, {tokenizer.vocab_size:,} different")
    counts = count_ngrams(ids, tokenizer.vocab_size, tokenizer.eos_id, order)
    if len(counts) < order:
        reporter.note(f"no line is long enough for n-grams of order {order}: the order is {len(counts)}")
    fallback = FALLBACK if discount_fallback else None
    chosen = [discounts(grams.counts, n, fallback) for n, grams in enumerate(counts, start=1)]
    lm = WordNGram(interpolated(counts, chosen, tokenizer.eos_id), tokenizer)
    reporter.note(f"writing {out}")
    lm.save(out)
    write_rows(
        ("order", "ngrams", "discount_1", "discount_2", "discount_3_or_more"),
        *(
            (str(n), str(len(grams.keys)), *map(decimal, (found.one, found.two, found.more)))
            for n, (grams, found) in enumerate(zip(counts, chosen, strict=True), start=1)
        ),
    )


def eval_ngram(
    arpa: Annotated[Path, typer.Argument(metavar="FILE", help="An ARPA file, plain or .gz.", show_default=False)],
    text: TextArgument,
    split: Annotated[str | None, choice_option(HELD_OUT, "Which text of a named corpus.", default="test")] = None,
    line_end_marker: NGramMarker = "",
) -> None:
    """Compute the perplexity of a text under an ARPA file.

    Every token, line ends included, is predicted once from those before it in its line. The rows are those of
    `weft eval`; the unigram perplexity is empty, because an ARPA file has no counts of words.

    Examples:
      weft ngram eval my.arpa other.txt
    """
    check_split(split)
    if arpa.is_dir():
        raise InputError(f"{arpa} is a folder, not an ARPA file; a run is measured with `weft eval --run {arpa}`")
    reporter = OnStream(sys.stderr)
    corpus = open_text(text, split or "test", reporter, line_end_marker)
    lm = load_arpa(arpa)
    for note in unreachable_words(arpa, lm.tokenizer):
        reporter.note(note)
    with text_pieces(corpus, "reading", reporter) as pieces:
        result = lm.evaluate(pieces)
    write_rows(*evaluation_rows(result))


def _check_free(out: Path, overwrite: bool) -> None:
    check_writable(out, "the n-grams")
    if out.exists() and not overwrite:
        raise InputError(f"{out} is there already: replace it with --overwrite, or give another --out")


def _read(corpus: Corpus, tokenizer: Tokenizer, reporter: OnStream) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    with text_pieces(corpus, "reading tokens", reporter) as pieces:
        return np.concatenate(list(encode_pieces(tokenizer, pieces)))

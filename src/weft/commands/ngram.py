"""`weft ngram train` and `weft ngram eval`: the baseline that counts words, and ARPA files from any program."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from weft.commands.eval import rows
from weft.commands.options.output_file import check_place
from weft.commands.options.text import TEXT_HELP, check_split, open_text
from weft.commands.options.types import whole_number
from weft.errors import InputError
from weft.ngram.arpa_writer import check_words
from weft.ngram.counts import HIGHEST_ORDER, count_ngrams
from weft.ngram.discounts import FALLBACK, discounts
from weft.ngram.kneser_ney import interpolated
from weft.run_folder import HELD_OUT
from weft.runs.reporting import OnStream
from weft.text.corpus import Corpus
from weft.text.tokenizers.base import Tokenizer, encode_pieces
from weft.text.tokenizers.registry import fit_tokenizer
from weft.word_ngram import WordNGram, load_arpa

TextArgument = Annotated[list[str], typer.Argument(metavar="TEXT", help=TEXT_HELP, show_default=False)]


def train_ngram(
    text: TextArgument,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="FILE", help="The ARPA file; compressed if its name ends in .gz."),
    ],
    order: Annotated[
        int, typer.Option(parser=whole_number, metavar="N", help=f"Words in the longest n-grams, 1 to {HIGHEST_ORDER}.")
    ] = 5,
    vocab_size: Annotated[
        int | None,
        typer.Option(parser=whole_number, metavar="N", help="Most words to keep.  [default: all]", show_default=False),
    ] = None,
    min_count: Annotated[
        int, typer.Option(parser=whole_number, metavar="N", help="Words seen less often become <unk>.")
    ] = 1,
    discount_fallback: Annotated[
        bool,
        typer.Option(
            "--discount-fallback",
            help=f"Discount by {FALLBACK.one:g}, {FALLBACK.two:g} and {FALLBACK.more:g} where the text is too small or "
            "regular to say.",
        ),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if there is one.")] = False,
) -> None:
    """Count n-grams of words and write them as an ARPA file.

    Interpolated modified Kneser-Ney smoothing (Chen & Goodman 1998), nothing pruned: what KenLM's lmplz estimates. A
    word <unk> in the text is a word like others.
    """
    if not 1 <= order <= HIGHEST_ORDER:
        raise InputError(f"--order must be from 1 to {HIGHEST_ORDER}, got {order}")
    _check_free(out, overwrite)
    reporter = OnStream(sys.stderr)
    corpus = open_text(text, "train", reporter)
    with reporter.reading("reading words", corpus.size_in_bytes) as on_bytes:
        tokenizer = fit_tokenizer("word", corpus.pieces(on_bytes), vocab_size=vocab_size, min_count=min_count)
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
    typer.echo("order\tngrams\tdiscount_1\tdiscount_2\tdiscount_3_or_more")
    for n, (grams, found) in enumerate(zip(counts, chosen, strict=True), start=1):
        typer.echo(f"{n}\t{len(grams.keys)}\t{found.one:.6f}\t{found.two:.6f}\t{found.more:.6f}")


def eval_ngram(
    arpa: Annotated[Path, typer.Argument(metavar="FILE", help="An ARPA file, plain or .gz.", show_default=False)],
    text: TextArgument,
    split: Annotated[
        str | None,
        typer.Option(metavar="|".join(HELD_OUT), help="Which text of a corpus.  [default: test]", show_default=False),
    ] = None,
) -> None:
    """The perplexity of a text under the model of an ARPA file.

    Every token is predicted once from those before it in its line, the line end too. The rows are those of `weft eval`;
    an ARPA file does not say how often words occur, so the unigram perplexity is left empty.
    """
    check_split(split)
    if arpa.is_dir():
        raise InputError(f"{arpa} is a folder, not an ARPA file; a run is measured with `weft eval --run {arpa}`")
    reporter = OnStream(sys.stderr)
    corpus = open_text(text, split or "test", reporter)
    lm = load_arpa(arpa)
    with reporter.reading("reading", corpus.size_in_bytes) as on_bytes:
        result = lm.evaluate(corpus.pieces(on_bytes))
    for name, value in rows(result, unigram=None):
        typer.echo(f"{name}\t{value}")


def _check_free(out: Path, overwrite: bool) -> None:
    check_place(out, "the n-grams")
    if out.exists() and not overwrite:
        raise InputError(f"{out} is there already: replace it with --overwrite, or give another --out")


def _read(corpus: Corpus, tokenizer: Tokenizer, reporter: OnStream) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    with reporter.reading("reading tokens", corpus.size_in_bytes) as on_bytes:
        return np.concatenate(list(encode_pieces(tokenizer, corpus.pieces(on_bytes))))

"""Interpolated modified Kneser-Ney smoothing (Chen & Goodman 1998; Heafield et al. 2013).

    P(w | c) = (a(c w) - D(a(c w))) / Σ_v a(c v) + γ(c) P(w | c')     γ(c) = Σ_v D(a(c v)) / Σ_v a(c v)

c is a context of n-1 words and c' the same without its first word; a is the adjusted count and D its discount,
D(0) = 0. The distribution below order 1 is uniform, P = 1 / V. Nothing is pruned.

The model is that of KenLM's lmplz with one exception: where lmplz estimates discounts, it takes for the last n-gram of
every order below the highest, that of the word that is new last in the text, the raw count in place of the adjusted
one. Its discounts differ from equation 26 if these counts do, usually by less than 0.001.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.ngram.counts import NGramCounts, count_ngrams
from weft.ngram.discounts import Discounts, discounts
from weft.ngram.model import NEVER, NGramModel, NGramTable


def estimate(
    ids: NDArray[Any], vocab_size: int, eos_id: int, order: int = 5, fallback: Discounts | None = None
) -> NGramModel:
    """The model of a text of token ids (L,), with `eos_id` at every line end.

    vocab_size: V, which includes `<unk>` and `<eos>` but not `<s>`. `<unk>` is an ordinary word. fallback: the
    discounts if the text is too small to estimate them. Raises InputError as `count_ngrams` and `discounts` do.
    """
    counts = count_ngrams(ids, vocab_size, eos_id, order)
    chosen = [discounts(grams.counts, n, fallback) for n, grams in enumerate(counts, start=1)]
    return interpolated(counts, chosen, eos_id)


def interpolated(counts: Sequence[NGramCounts], chosen: Sequence[Discounts], eos_id: int) -> NGramModel:
    """The model from the counts of orders 1 to N and the discounts of each order."""
    base = len(counts[0].keys)
    start_id = base - 1
    shares, gammas = [], []
    for grams, discount in zip(counts, chosen, strict=True):
        contexts = grams.keys // base
        taken = np.array([0.0, *discount])[np.minimum(grams.counts, 3)]
        totals = np.bincount(contexts, weights=grams.counts)
        shares.append((grams.counts - taken) / totals[contexts])
        with np.errstate(invalid="ignore"):  # 0 / 0 where no word follows; `_backoffs` sets γ = 1 there
            gammas.append(np.bincount(contexts, weights=taken) / totals)
    probabilities = shares[0] + gammas[0][0] / (base - 1)
    probabilities[start_id] = 1.0  # avoids log10(0); replaced below
    tables = []
    for n, grams in enumerate(counts):
        if n:
            probabilities = shares[n] + gammas[n][grams.keys // base] * probabilities[grams.suffixes]
        backoffs = _backoffs(gammas[n + 1], len(grams.keys)) if n + 1 < len(counts) else np.zeros(0)
        tables.append(NGramTable(grams.keys, np.log10(probabilities), backoffs))
    tables[0].log10_probabilities[start_id] = NEVER
    return NGramModel(tables, eos_id)


def _backoffs(gammas: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """log10 γ of every n-gram as a context; 0 if no word follows it."""
    backoffs = np.zeros(count)
    follows = ~np.isnan(gammas)
    backoffs[: len(gammas)][follows] = np.log10(gammas[follows])
    return backoffs

"""Baselines trained on the training text of a run: `kn5`, an n-gram model, and `window4`, a fixed-window model."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from weft.comparison.scorers import NGramScorer, RecurrentScorer, Scorer
from weft.comparison.window_baseline import trained_window
from weft.errors import InputError, MissingFileError, nearest
from weft.language_model import LanguageModel
from weft.ngram.counts import HIGHEST_ORDER
from weft.ngram.discounts import FALLBACK
from weft.ngram.kneser_ney import estimate
from weft.ngram.model import NGramModel
from weft.run_folder import text_of, tokens_path
from weft.runs.reporting import Reporter

KNOWN = [f"kn{order}" for order in range(1, HIGHEST_ORDER + 1)] + ["window2", "window4", "window8"]


@dataclass(frozen=True)
class Baseline:
    """`kind` is 'kn', interpolated modified Kneser-Ney of order `size`, or 'window', of the last `size` tokens."""

    kind: str
    size: int

    @property
    def name(self) -> str:
        """The name on the command line."""
        return f"{self.kind}{self.size}"

    @classmethod
    def named(cls, name: str) -> Baseline:
        """The baseline called `name`; raises InputError if there is none."""
        found = re.fullmatch(r"(kn|window)([1-9][0-9]{0,3})", name)
        if not found or (found[1] == "kn" and int(found[2]) > HIGHEST_ORDER):
            raise InputError(
                f"a baseline is kn1 to kn{HIGHEST_ORDER}, or window1, window2, ..., got {name!r}{nearest(name, KNOWN)}"
            )
        return cls(found[1], int(found[2]))


def trained_baseline(baseline: Baseline, run: Path, lm: LanguageModel, reporter: Reporter) -> Scorer:
    """The baseline, trained on the training text of the run `run`, whose model is `lm`.

    Raises MissingFileError if the run folder has no training text any more.
    """
    if not tokens_path(run, "train").exists():
        raise MissingFileError(
            f"{run} has no training text for {baseline.name} to learn from ({tokens_path(run, 'train').name} is gone): "
            "name a run folder that still has its data, or leave baselines out with --baseline none"
        )
    if baseline.kind == "window":
        window = trained_window(baseline.size, run, lm, reporter)
        return RecurrentScorer(baseline.name, window.model, lm.tokenizer.eos_id)
    return NGramScorer(baseline.name, _kneser_ney(baseline, run, lm, reporter))


def _kneser_ney(baseline: Baseline, run: Path, lm: LanguageModel, reporter: Reporter) -> NGramModel:
    ids = np.asarray(text_of(run, "train"))
    eos_id, types = lm.tokenizer.eos_id, lm.tokenizer.vocab_size
    reporter.note(f"{baseline.name}: counting the n-grams of {len(ids):,} training tokens")
    try:
        return estimate(ids, types, eos_id, baseline.size)
    except InputError:
        shown = ", ".join(f"{discount:g}" for discount in FALLBACK)
        reporter.note(f"{baseline.name}: the text is too small to estimate all discounts; the others are {shown}")
        return estimate(ids, types, eos_id, baseline.size, FALLBACK)

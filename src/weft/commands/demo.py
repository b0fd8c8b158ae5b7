"""`weft demo`: train and use a model in about a minute, on a text that comes with Python."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from weft.commands.options.completion import RUNS
from weft.commands.options.declaration import option
from weft.errors import InputError
from weft.evaluation.evaluate import evaluate_tokens
from weft.evaluation.perplexity import perplexity
from weft.language_model import LanguageModel, build_model, load
from weft.presentation.streams import note, write_text
from weft.run_folder import CONFIG, text_of
from weft.runs.reporting import OnStream
from weft.runs.train import train_run
from weft.scoring.formats.layout import Layout
from weft.scoring.formats.tsv import write_tsv
from weft.training.progress import perplexity_text

SENTENCE = "The value of the expression is a new object."
PROMPT = "The"
SETTINGS = {"tokenizer": "word", "epochs": 5, "hidden_size": 96, "min_count": 3, "lr": 0.006}
"""A smaller model than `weft train` chooses for this text, which trains in 10 seconds in place of 40."""


def demo(
    out: Annotated[Path, option("The run folder.", metavar="FOLDER")] = RUNS / "demo",
    overwrite: Annotated[bool, option("Train again if the run exists.", "--overwrite")] = False,
) -> None:
    """Train on a text that comes with Python, and show the result.

    The text is CPython's language reference. The command prints the perplexity before and after training, generated
    text, and the surprisal of a sentence.

    Examples:
      weft demo
    """
    if (out / CONFIG).exists() and not overwrite:
        note(f"{out} is here already; --overwrite trains it again")
        lm = load(out)
    else:
        settings = {"data": ("builtin",), **SETTINGS}
        lm = train_run(out, settings, resume=False, overwrite=overwrite, reporter=OnStream(sys.stderr)).model
    show(lm, out)


def show(lm: LanguageModel, run: Path) -> None:
    """Print perplexities, a generated text and a scored sentence of a trained model."""
    ids = text_of(run, "valid")
    if ids is None:
        raise InputError(f"{run} has no validation text; train it again with: weft demo --overwrite")
    untrained = build_model(lm.config.model, lm.tokenizer.vocab_size, lm.config.training.seed, lm.tokenizer.counts)
    before, after = (evaluate_tokens(model, ids, lm.tokenizer.eos_id, 16) for model in (untrained, lm.model))
    layout = Layout(columns=("token", "logprob", "surprisal", "oov"))
    write_text(
        f"perplexity of {after.tokens:,} held-out tokens\n"
        f"  before training  {perplexity_text(perplexity(before)):>9}\n"
        f"  after training   {perplexity_text(perplexity(after)):>9}\n"
        f"\nit writes, after {PROMPT!r}:\n\n"
        f"{PROMPT}{lm.generate(PROMPT, 60, temperature=0.8, seed=1)}\n"
        f"\nand reads {SENTENCE!r} with this surprisal:\n\n"
        f"{''.join(write_tsv([lm.scores(SENTENCE)], layout))}"
        f"\nnext: weft next 'The value of the' --run {run}      weft train YOUR.txt\n"
    )

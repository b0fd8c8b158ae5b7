"""`weft next`: what the model expects after a text."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from weft.commands.options.run import RunOption, load_chosen
from weft.commands.options.types import at_least_one, whole_number
from weft.commands.options.weights import WeightsOption, with_weights
from weft.scoring.formats.layout import visible


def next_tokens(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The text so far; without it, the start of a line.")] = "",
    run: RunOption = None,
    top: Annotated[
        int, typer.Option("--top", "-k", parser=whole_number, metavar="N", help="How many tokens to show.")
    ] = 10,
    weights: WeightsOption = "float32",
) -> None:
    """The likeliest next tokens with their probabilities."""
    at_least_one(top=top)
    lm = load_chosen(run)
    ids, oov = lm.tokenizer.encode_with_oov(text)
    if any(oov):
        print(f"{sum(oov)} of {len(oov)} tokens are not in the vocabulary and are read as <unk>", file=sys.stderr)
    likeliest = with_weights(lm, weights, len(ids)).next(text, top)
    print("token\tprobability")
    for token, probability in likeliest:
        print(f"{visible(token)}\t{probability:.6f}")

"""`weft next`: the likeliest next tokens after a text."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from weft.commands.options.declaration import whole_number_option
from weft.commands.options.run import RunOption, load_chosen
from weft.commands.options.values import at_least_one
from weft.commands.options.weights import WeightsOption, with_weights
from weft.scoring.formats.layout import visible


def next_tokens(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The text so far; without it, the start of a line.")] = "",
    run: RunOption = None,
    top: Annotated[int, whole_number_option("Number of tokens to show.", "--top", "-k")] = 10,
    weights: WeightsOption = "float32",
) -> None:
    """Show the likeliest next tokens with their probabilities.

    Examples:
      weft next "The cat sat on the"
      weft next "The cat" --top 20 --run runs/mine
    """
    at_least_one(top=top)
    lm = load_chosen(run)
    ids, oov = lm.tokenizer.encode_with_oov(text)
    if any(oov):
        print(f"{sum(oov)} of {len(oov)} tokens are not in the vocabulary and are read as <unk>", file=sys.stderr)
    likeliest = with_weights(lm, weights, len(ids)).next(text, top)
    print("token\tprobability")
    for token, probability in likeliest:
        print(f"{visible(token)}\t{probability:.6f}")

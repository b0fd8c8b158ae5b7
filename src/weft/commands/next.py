"""`weft next`: what the model expects after a text."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from weft.commands.run_option import RunOption, load_chosen
from weft.commands.score import visible


def next_tokens(
    text: Annotated[str, typer.Argument(help="The text so far; '' is the start of a line.")] = "",
    run: RunOption = None,
    k: Annotated[int, typer.Option("-k", "--top", help="How many tokens to show.")] = 10,
) -> None:
    """The likeliest next tokens with their probabilities, the likeliest first."""
    lm = load_chosen(run)
    _ids, oov = lm.tokenizer.encode_with_oov(text)
    if any(oov):
        print(f"{sum(oov)} of {len(oov)} tokens are not in the vocabulary and are read as <unk>", file=sys.stderr)
    print("token\tprobability")
    for token, probability in lm.next(text, k):
        print(f"{visible(token)}\t{probability:.6f}")

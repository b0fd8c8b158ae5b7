"""`weft next`: the likeliest next tokens after a text."""

from __future__ import annotations

from typing import Annotated

import typer

from weft.commands.options.declaration import whole_number_option
from weft.commands.options.run import RunOption, load_chosen
from weft.commands.options.unknown import note_prompt
from weft.commands.options.values import at_least_one
from weft.commands.options.weights import WeightsOption, with_weights
from weft.presentation.escapes import visible
from weft.presentation.records import decimal
from weft.presentation.streams import write_rows
from weft.text.rules import normalized


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
    text = normalized(text, lm.config.text.line_end_marker)
    note_prompt(lm.tokenizer, text)
    likeliest = with_weights(lm, weights, len(lm.tokenizer.encode(text))).next(text, top)
    write_rows(("token", "probability"), *((visible(token), decimal(p)) for token, p in likeliest))

"""`weft generate`: let the model write."""

from __future__ import annotations

from typing import Annotated

import typer

from weft.backends import random_generator
from weft.commands.options.run import RunOption, load_chosen
from weft.commands.options.types import at_least_one, number, whole_number
from weft.commands.options.weights import WeightsOption, with_weights
from weft.text.lines import read_lines


def generate(
    prompt: Annotated[
        str, typer.Option(metavar="TEXT", help="The beginning of the text; '-' reads it from standard input.")
    ] = "",
    run: RunOption = None,
    max_tokens: Annotated[int, typer.Option(parser=whole_number, metavar="N", help="Tokens to write.")] = 100,
    temperature: Annotated[
        float,
        typer.Option(parser=number, metavar="X", help="1 draws as the model says, 0 takes the likeliest token."),
    ] = 1.0,
    top_k: Annotated[
        int | None, typer.Option(parser=whole_number, metavar="N", help="Draw among so many of the likeliest tokens.")
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(parser=number, metavar="X", help="Draw among the likeliest tokens of this joint probability."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            parser=whole_number, metavar="N", help="Seed of the random numbers.  [default: another one each time]"
        ),
    ] = None,
    num_samples: Annotated[
        int, typer.Option(parser=whole_number, metavar="N", help="Texts to write, divided by a line of ---.")
    ] = 1,
    ban: Annotated[
        list[str] | None,
        typer.Option(metavar="TOKEN", help="A token never to write; repeatable.  [default: <unk>]", show_default=False),
    ] = None,
    weights: WeightsOption = "float32",
) -> None:
    """Continue a text, token by token as they are drawn."""
    at_least_one(num_samples=num_samples, max_tokens=max_tokens)
    first = random_generator(seed)
    lm = load_chosen(run)
    if prompt == "-":
        prompt = "\n".join(read_lines("-"))
    lm = with_weights(lm, weights, num_samples * (len(lm.tokenizer.encode(prompt)) + max_tokens))
    for index, rng in enumerate([first, *first.spawn(num_samples - 1)]):
        if index:
            print("---")
        pieces = lm.generate_pieces(
            prompt,
            max_tokens,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            seed=rng,
            ban=ban or ("<unk>",),
        )
        print(prompt, end="", flush=True)
        for piece in pieces:
            print(piece, end="", flush=True)
        print()

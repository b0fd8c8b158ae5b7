"""`weft generate`: let the model write."""

from __future__ import annotations

import sys
from typing import Annotated

import numpy as np
import typer

from weft.commands.run_option import RunOption, load_chosen
from weft.errors import InputError


def generate(
    prompt: Annotated[str, typer.Option(help="The beginning of the text; '-' reads it from standard input.")] = "",
    run: RunOption = None,
    max_tokens: Annotated[int, typer.Option(help="Tokens to write.")] = 100,
    temperature: Annotated[float, typer.Option(help="0 takes the likeliest token, 1 draws as the model says.")] = 1.0,
    top_k: Annotated[int | None, typer.Option(help="Draw among so many of the likeliest tokens.")] = None,
    top_p: Annotated[
        float | None, typer.Option(help="Draw among the likeliest tokens of this joint probability.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the random numbers. [default: another one each time]")
    ] = None,
    num_samples: Annotated[int, typer.Option(help="Texts to write, divided by a line of ---.")] = 1,
    ban: Annotated[list[str] | None, typer.Option(help="A token never to write; repeatable. [default: <unk>]")] = None,
) -> None:
    """Continue a text, token by token as they are drawn."""
    if num_samples < 1:
        raise InputError(f"--num-samples must be at least 1, got {num_samples}")
    lm = load_chosen(run)
    if prompt == "-":
        prompt = sys.stdin.read().rstrip("\n")
    generators = np.random.default_rng(seed).spawn(num_samples)
    for number, rng in enumerate(generators):
        if number:
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

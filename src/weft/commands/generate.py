"""`weft generate`: sample text from the model."""

from __future__ import annotations

from typing import Annotated

from weft.backends import random_generator
from weft.commands.options.declaration import number_option, option, whole_number_option
from weft.commands.options.run import RunOption, load_chosen
from weft.commands.options.unknown import note_prompt
from weft.commands.options.values import at_least_one
from weft.commands.options.weights import WeightsOption, with_weights
from weft.presentation.streams import write_text
from weft.text.lines import read_lines
from weft.text.rules import normalized

SAMPLING = "Sampling"


def generate(
    prompt: Annotated[str, option("The beginning of the text; '-' reads it from standard input.", metavar="TEXT")] = "",
    run: RunOption = None,
    max_tokens: Annotated[int, whole_number_option("Tokens to generate.")] = 100,
    num_samples: Annotated[int, whole_number_option("Texts to generate, separated by a line of ---.")] = 1,
    temperature: Annotated[
        float,
        number_option("1 samples from the model's distribution, 0 takes the likeliest token.", group=SAMPLING),
    ] = 1.0,
    top_k: Annotated[int | None, whole_number_option("Sample among the N likeliest tokens.", group=SAMPLING)] = None,
    top_p: Annotated[
        float | None,
        number_option("Sample among the likeliest tokens whose probabilities sum to X.", group=SAMPLING),
    ] = None,
    seed: Annotated[
        int | None,
        whole_number_option("Seed of the random numbers.", default="a different one each time", group=SAMPLING),
    ] = None,
    ban: Annotated[
        list[str] | None,
        option("A token that is never generated. May be repeated.", metavar="TOKEN", default="<unk>", group=SAMPLING),
    ] = None,
    weights: WeightsOption = "float32",
) -> None:
    """Generate text, token by token.

    Examples:
      weft generate --prompt "Once upon a time"
      weft generate --temperature 0.7 --seed 1 --num-samples 3
    """
    at_least_one(num_samples=num_samples, max_tokens=max_tokens)
    first = random_generator(seed)
    lm = load_chosen(run)
    if prompt == "-":
        prompt = "\n".join(read_lines("-"))
    prompt = normalized(prompt, lm.config.text.line_end_marker)
    note_prompt(lm.tokenizer, prompt)
    lm = with_weights(lm, weights, num_samples * (len(lm.tokenizer.encode(prompt)) + max_tokens))
    for index, rng in enumerate([first, *first.spawn(num_samples - 1)]):
        if index:
            write_text("---\n")
        pieces = lm.generate_pieces(
            prompt,
            max_tokens,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            seed=rng,
            ban=ban or ("<unk>",),
        )
        write_text(prompt)
        for piece in pieces:
            write_text(piece)
        write_text("\n")

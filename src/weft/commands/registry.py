"""The commands by name: the heading and the summary in `weft --help`, and the function, imported when it is needed.

The summaries repeat the first line of each function's docstring: `weft --help` and shell completion import no command.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

TRAIN, MEASURE, USE, NGRAM = "Train a model", "Measure a text", "Use a model", "N-gram models and mixtures"
STIMULI, HELP = "Psycholinguistic stimuli", "Learn about weft"


@dataclass(frozen=True)
class Entry:
    """heading: in `weft --help`. function: `module:name`, the module below `weft.commands`; empty for a group."""

    heading: str
    function: str
    summary: str

    def load(self) -> Callable[..., None]:
        """The function that carries out the command; imports its module."""
        module, _, name = self.function.partition(":")
        function: Callable[..., None] = getattr(importlib.import_module(f"weft.commands.{module}"), name)
        return function


COMMANDS = {
    "demo": Entry(TRAIN, "demo:demo", "Train on a text that comes with Python, and show the result."),
    "train": Entry(TRAIN, "train:train_command", "Train a language model on a text."),
    "import": Entry(
        TRAIN, "import_model:import_command", "Import a trained model of PyTorch, of the textbook or of ONNX."
    ),
    "find-lr": Entry(TRAIN, "find_lr:find_lr", "Suggest a learning rate for a text."),
    "data": Entry(TRAIN, "data:data", "List the named corpora, or fetch one."),
    "recipes": Entry(TRAIN, "recipes:recipes", "List the training recipes, or print one."),
    "info": Entry(TRAIN, "info:info", "Check the files of a run; show its settings, parameters and history."),
    "eval": Entry(MEASURE, "eval:evaluate_text", "Compute the perplexity of a text."),
    "score": Entry(MEASURE, "score:score", "Print the log-probability and surprisal of every token or word."),
    "plot-regions": Entry(MEASURE, "plot_regions:plot_regions", "Draw the mean surprisal by region and condition."),
    "compare": Entry(MEASURE, "compare:compare", "Compare models by perplexity, overall and by context length."),
    "tune": Entry(MEASURE, "tune:tune", "Find the best numbers for --dynamic and --cache."),
    "syntaxgym": Entry(STIMULI, "syntaxgym:syntaxgym", "Evaluate test suites of SyntaxGym with one or several models."),
    "pairs": Entry(STIMULI, "pairs:pairs", "Compare the sentences of minimal pairs with one or several models."),
    "tokenize": Entry(STIMULI, "tokenize:tokenize", "List the tokens of lines of text, as LM-Zoo does."),
    "unkify": Entry(STIMULI, "tokenize:unkify", "List which tokens of lines of text are unknown, as LM-Zoo does."),
    "next": Entry(USE, "next:next_tokens", "Show the likeliest next tokens with their probabilities."),
    "generate": Entry(USE, "generate:generate", "Generate text, token by token."),
    "rescore": Entry(USE, "rescore:rescore_lists", "Rescore n-best lists with a language model."),
    "export hf": Entry(USE, "export:export_to_hf", "Write a folder that Hugging Face transformers loads."),
    "export onnx": Entry(USE, "export:export_to_onnx", "Write a graph that ONNX Runtime runs."),
    "ngram train": Entry(NGRAM, "ngram:train_ngram", "Count n-grams of words and write them as an ARPA file."),
    "ngram eval": Entry(NGRAM, "ngram:eval_ngram", "Compute the perplexity of a text under an ARPA file."),
    "mix": Entry(NGRAM, "mix:mix", "Fit the weights of a mixture of models and measure it."),
    "help": Entry(HELP, "show_help:show_help", "Describe a command."),
    "version": Entry(HELP, "show_help:show_version", "Print the version."),
}

GROUPS = {
    "export": Entry(USE, "", "Write a model in the format of another program."),
    "ngram": Entry(NGRAM, "", "Train an n-gram model, or measure a text with one."),
}
"""Commands that only hold other commands."""

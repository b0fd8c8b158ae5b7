"""`weft train`: train a language model on a text. Its flags are the fields of `weft.config`."""

from __future__ import annotations

import inspect
import re
import sys
from dataclasses import MISSING, Field
from pathlib import Path
from typing import Annotated, Any

import typer

from weft.commands.data import fetch_with_bar
from weft.commands.run_option import RUNS
from weft.config import FIELDS, TYPES
from weft.errors import InputError
from weft.evaluation.evaluate import evaluate_tokens
from weft.evaluation.perplexity import perplexity
from weft.evaluation.unigram import unigram_loss
from weft.experiment import Trained, stated_settings, train_run
from weft.reporting import OnStream
from weft.run_folder import tokens_path
from weft.text.tokens import open_tokens
from weft.training.progress import perplexity_text


def train_command(
    text: Annotated[
        list[str] | None,
        typer.Argument(help="Training text: files, folders, globs, .gz, '-', 'builtin', or a corpus of `weft data`."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder. [default: runs/ and the text's name]")] = None,
    config: Annotated[Path | None, typer.Option(help="A TOML file of settings; flags win over it.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run where it was interrupted.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run if there is one.")] = False,
    **settings: Any,
) -> None:
    """Train a language model on a text.

    Whatever is not stated is chosen for the text, and said. Ctrl-C saves; --resume goes on.
    """
    if text and settings.get("data"):
        raise InputError("the text is given twice, as an argument and with --data; give it once")
    given = {name: value for name, value in settings.items() if value not in (None, [], ())}
    stated = stated_settings(config, text or None, given)
    run = out or RUNS / default_name(stated.get("data", ()), resume)
    trained = train_run(
        run, stated, resume=resume, overwrite=overwrite, reporter=OnStream(sys.stderr), fetch=fetch_with_bar
    )
    if trained.result.outcome == "interrupted":
        raise KeyboardInterrupt(
            f"stopped at step {trained.result.step:,} and saved; go on with: weft train --resume --out {run}"
        )
    for line in summary(trained):
        typer.echo(line)


def default_name(data: tuple[str, ...], resume: bool) -> str:
    """The name of a run by its text: `my` for texts/my.txt.gz, `stdin` for "-"."""
    if not data:
        what = "which run to go on with: name it with --out" if resume else "the text: name a file, or try `weft demo`"
        raise InputError(f"it is not said {what}")
    if data[0] == "-":
        return "stdin"
    path = Path(re.sub(r"[*?\[].*", "", data[0]) or "text")
    return path.name.removesuffix(".gz").rsplit(".", 1)[0] or path.resolve().name or "text"


def summary(trained: Trained) -> list[str]:
    """What came out, for standard output."""
    lm, run = trained.model, trained.run
    lines = [f"{trained.result.outcome} after {trained.result.step:,} steps; the best model is in {run}"]
    for split, title in (("valid", "validation"), ("test", "test")):
        path = tokens_path(run, split)
        if path.exists():
            ids = open_tokens(path)
            loss = evaluate_tokens(lm.model, ids, lm.tokenizer.eos_id, 16)
            lines.append(
                f"{title} perplexity {perplexity_text(perplexity(loss))} over {loss.tokens:,} tokens "
                f"(unigram: {perplexity_text(perplexity(unigram_loss(lm.tokenizer.counts, [ids])))})"
            )
    if len(lines) == 1 and trained.result.train is not None:
        lines.append(f"training perplexity {perplexity_text(perplexity(trained.result.train))}; nothing was held out")
    return lines


def _parameter(item: Field[Any]) -> inspect.Parameter:
    """A field of the configuration as a flag that is None when it is not stated."""
    hint = TYPES[item.name]
    hint = list[str] | None if hint == tuple[str, ...] else hint | None
    text = item.metadata["help"]
    if item.metadata["choices"]:
        text += f" ({', '.join(item.metadata['choices'])})"
    if item.default is MISSING and item.name != "data":
        text += " [chosen for the text]"
    elif item.default not in (None, (), MISSING):
        text += f" [default: {str(item.default).lower() if isinstance(item.default, bool) else item.default}]"
    annotation = Annotated[hint, typer.Option(help=text, show_default=False)]  # type: ignore[valid-type]
    return inspect.Parameter(item.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


_own = inspect.signature(train_command, eval_str=True)
_flags = [_parameter(item) for item in FIELDS.values()]
_parameters = [parameter for parameter in _own.parameters.values() if parameter.name != "settings"]
train_command.__signature__ = _own.replace(parameters=[*_parameters, *_flags])  # type: ignore[attr-defined]
train_command.__annotations__ = {parameter.name: parameter.annotation for parameter in [*_parameters, *_flags]}
